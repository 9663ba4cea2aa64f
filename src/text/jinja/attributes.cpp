// object.name and object[index], as the sandboxed jinja2 environment resolves them: attributes
// (that is, methods) come first for the dot, elements come first for the brackets, and what is not
// there is undefined. Names that begin with "_" lead nowhere: there are no attributes of that kind.
#include "text/jinja/interpreter.h"
#include "text/jinja/python_text.h"

namespace jiang::jinja {
namespace {

class BoundMethod : public FunctionObject {
 public:
  BoundMethod(Value self, const Method& method) : self_(std::move(self)), method_(method) {}

  Result<Value> call(Interpreter& interpreter, const CallArguments& arguments) override {
    const Value self = self_;
    return method_.function(interpreter, self, arguments);
  }
  void take_children(Values& out) override { out.push_back(std::move(self_)); }

 private:
  Value self_;
  const Method& method_;
};

Value missing(const Value& object, std::string_view name) {
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", type_name(object), name.substr(0, 100)));
}

Value no_element(const Value& object) {
  return Value::undefined(fmt::format("{} object has no such element", type_name(object)));
}

const Value* group_part(const Value& value, std::string_view name) {
  if (!value.is(Kind::tuple) || value.items().size() != 2) return nullptr;
  if (name != "grouper" && name != "list") return nullptr;
  if (!dynamic_cast<const GroupObject*>(value.identity())) return nullptr;
  return &value.items()[name == "list"];
}

// Attributes proper, not elements. Nullopt: there is none.
std::optional<Value> find_attribute(const Value& object, std::string_view name) {
  if (const Method* method = find_method(object.kind(), name)) {
    if (method->function) {
      return Value::object(Kind::function, std::make_shared<BoundMethod>(object, *method));
    }
    return Value::undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe",
                                        method->name, type_name(object)));
  }
  if (name.starts_with('_')) return std::nullopt;
  switch (object.kind()) {
    case Kind::name_space:
      if (const Value* found = object.as<NamespaceObject>().find(name)) return *found;
      break;
    case Kind::function: {
      Value value = object.as<FunctionObject>().attribute(name);
      if (!value.is(Kind::undefined)) return value;
      break;
    }
    case Kind::tuple:
      if (const Value* part = group_part(object, name)) return *part;
      break;
    case Kind::range: {
      const auto& range = object.as<RangeObject>();
      if (name == "start") return Value::integer(range.start);
      if (name == "stop") return Value::integer(range.stop);
      if (name == "step") return Value::integer(range.step);
      break;
    }
    case Kind::cycler: {
      const auto& cycler = object.as<CyclerObject>();
      if (name == "current") return cycler.items[cycler.position];
      break;
    }
    default:
      break;
  }
  return std::nullopt;
}

Value element_at(const Value& object, int64_t index, int64_t size) {
  if (index < 0) index = index < -size ? -1 : index + size;
  if (index < 0 || index >= size) return no_element(object);
  if (object.is(Kind::range)) return Value::integer(object.as<RangeObject>().at(index));
  return object.items()[static_cast<size_t>(index)];
}

Result<Value> character_at(Budget& budget, const Value& object, int64_t index) {
  const std::string_view bytes = object.bytes();
  if (index < 0) {
    index += static_cast<int64_t>(count_code_points(bytes));
    if (index < 0) return no_element(object);
  }
  const size_t begin = byte_offset(bytes, static_cast<size_t>(index));
  if (begin == bytes.size()) return no_element(object);
  const size_t end = begin + byte_offset(bytes.substr(begin), 1);
  return budget.string(object.text().slice(begin, end), object.is_markup());
}

}  // namespace

Result<Value> Interpreter::get_attribute(const Value& object, std::string_view name) {
  if (object.is(Kind::undefined)) {
    return fail(ErrorKind::invalid_argument, "{}", object.undefined_message());
  }
  if (object.is(Kind::loop)) return loop_attribute(object, name);
  if (auto attribute = find_attribute(object, name)) return *std::move(attribute);
  if (object.is(Kind::dict)) {
    TRY_STATUS(budget_.step(1 + name.size() / 64));
    if (const Value* found = object.as<DictObject>().find(name)) return *found;
  }
  return missing(object, name);
}

Result<Value> Interpreter::get_item(const Value& object, const Value& index) {
  switch (object.kind()) {
    case Kind::undefined:
      return fail(ErrorKind::invalid_argument, "{}", object.undefined_message());
    case Kind::dict:
      if (is_hashable(index)) {
        TRY_STATUS(budget_.step());
        if (const Value* found = object.as<DictObject>().find(index)) return *found;
      }
      break;
    case Kind::list:
    case Kind::tuple:
      if (index.is_integral()) {
        return element_at(object, index.as_int(), static_cast<int64_t>(object.items().size()));
      }
      break;
    case Kind::range:
      if (index.is_integral()) {
        return element_at(object, index.as_int(), object.as<RangeObject>().size());
      }
      break;
    case Kind::string:
      if (index.is_integral()) {
        TRY_STATUS(budget_.scan(object.bytes().size()));
        return character_at(budget_, object, index.as_int());
      }
      break;
    default:
      break;
  }
  if (!index.is(Kind::string)) return no_element(object);
  if (object.is(Kind::loop)) return loop_attribute(object, index.bytes());
  if (auto attribute = find_attribute(object, index.bytes())) return *std::move(attribute);
  return missing(object, index.bytes());
}

}  // namespace jiang::jinja
