#include "text/jinja/value.h"

#include <cmath>

#include "base/json_value.h"

namespace jiang::jinja {
namespace {

constexpr size_t kIndexedDictSize = 12;
constexpr size_t kNoEntry = SIZE_MAX;

template <class T>
void take(Values& from, T& to) {
  for (Value& value : from) to.push_back(std::move(value));
  from.clear();
}

}  // namespace

// A chain of a hundred thousand lists inside lists would overflow the stack if each destroyed the
// next, so the children are taken out first.
Value::~Value() {
  if (!object_ || kind_ == Kind::string || object_.use_count() != 1) return;
  Values pending;
  object_->take_children(pending);
  while (!pending.empty()) {
    const Value last = std::move(pending.back());
    pending.pop_back();
    if (last.object_ && last.kind_ != Kind::string && last.object_.use_count() == 1) {
      last.object_->take_children(pending);
    }
  }
}

Value Value::boolean(bool value) {
  Value out(Kind::boolean);
  out.scalar_.integer = value;
  return out;
}

Value Value::integer(int64_t value) {
  Value out(Kind::integer);
  out.scalar_.integer = value;
  return out;
}

Value Value::real(double value) {
  Value out(Kind::real);
  out.scalar_.real = value;
  return out;
}

Value Value::string(Text text, bool markup) {
  auto object = std::make_shared<StringObject>();
  object->text = std::move(text);
  object->markup = markup;
  return Value::object(Kind::string, std::move(object));
}

Value Value::string(std::string_view bytes, Origin origin) {
  return string(Text(std::string(bytes), origin));
}

Value Value::list(Values items) {
  auto object = std::make_shared<ListObject>();
  object->items = std::move(items);
  return Value::object(Kind::list, std::move(object));
}

Value Value::tuple(Values items) {
  Value out = list(std::move(items));
  out.kind_ = Kind::tuple;
  return out;
}

Value Value::dict(std::vector<std::pair<Value, Value>> entries) {
  auto object = std::make_shared<DictObject>();
  object->entries = std::move(entries);
  return Value::object(Kind::dict, std::move(object));
}

Value Value::generator(const char* type_name, Values items) {
  auto object = std::make_shared<GeneratorObject>();
  object->type_name = type_name;
  object->items = std::move(items);
  return Value::object(Kind::generator, std::move(object));
}

Value Value::undefined(std::string message) {
  auto object = std::make_shared<UndefinedObject>();
  object->message = std::move(message);
  return Value::object(Kind::undefined, std::move(object));
}

Value Value::object(Kind kind, std::shared_ptr<Object> object) {
  Value out(kind);
  out.object_ = std::move(object);
  return out;
}

const Text& Value::text() const { return as<StringObject>().text; }
bool Value::is_markup() const { return kind_ == Kind::string && as<StringObject>().markup; }
const Values& Value::items() const { return as<ListObject>().items; }

std::shared_ptr<const Values> Value::shared_items() const {
  return {object_, &as<ListObject>().items};
}

std::string_view Value::undefined_message() const {
  return object_ ? std::string_view(as<UndefinedObject>().message) : "value is undefined";
}

void ListObject::take_children(Values& out) { take(items, out); }
void ViewObject::take_children(Values& out) { take(items, out); }
void GeneratorObject::take_children(Values& out) { take(items, out); }
void CyclerObject::take_children(Values& out) { take(items, out); }
void JoinerObject::take_children(Values& out) { out.push_back(std::move(separator)); }

void DictObject::take_children(Values& out) {
  index_.clear();
  for (auto& [key, value] : entries) {
    out.push_back(std::move(key));
    out.push_back(std::move(value));
  }
  entries.clear();
}

const Value* DictObject::find(std::string_view key) const {
  if (entries.size() <= kIndexedDictSize) {
    for (const auto& [name, value] : entries) {
      if (name.is(Kind::string) && name.bytes() == key) return &value;
    }
    return nullptr;
  }
  if (index_.empty()) {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].first.is(Kind::string)) index_.emplace(entries[i].first.bytes(), i);
    }
    index_.emplace(std::string_view(), kNoEntry);  // marks it as built; "" may be a key
  }
  const auto found = index_.find(key);
  return found == index_.end() || found->second == kNoEntry ? nullptr
                                                            : &entries[found->second].second;
}

namespace {

bool keys_equal(const Value& a, const Value& b, int depth) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.as_int() == b.as_int();
    return a.as_real() == b.as_real();
  }
  if (a.kind() != b.kind()) return false;
  if (a.is(Kind::string)) return a.bytes() == b.bytes();
  if (a.is(Kind::none) || a.is(Kind::undefined)) return true;
  if (a.is(Kind::tuple) && depth < 8) {
    if (a.items().size() != b.items().size()) return false;
    for (size_t i = 0; i < a.items().size(); ++i) {
      if (!keys_equal(a.items()[i], b.items()[i], depth + 1)) return false;
    }
    return true;
  }
  return a.identity() == b.identity();
}

}  // namespace

const Value* DictObject::find(const Value& key) const {
  if (key.is(Kind::string)) return find(std::string_view(key.bytes()));
  for (const auto& [name, value] : entries) {
    if (keys_equal(name, key, 0)) return &value;
  }
  return nullptr;
}

void DictObject::set(Value key, Value value) {
  if (const Value* found = find(key)) {
    const_cast<Value&>(*found) = std::move(value);
    return;
  }
  // The view stays good: it points into the string's object, not into `entries`.
  if (!index_.empty() && key.is(Kind::string)) {
    index_.insert_or_assign(std::string_view(key.bytes()), entries.size());
  }
  entries.emplace_back(std::move(key), std::move(value));
}

int64_t RangeObject::size() const {
  if (step > 0 ? start >= stop : start <= stop) return 0;
  // Differences of int64 fit in uint64; range() bounds the length before it is used.
  const uint64_t span = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                 : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t stride =
      step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  const uint64_t size = (span - 1) / stride + 1;
  return size > INT64_MAX ? INT64_MAX : static_cast<int64_t>(size);
}

const char* type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::string:
      return value.is_markup() ? "Markup" : "str";
    case Kind::list:
      return "list";
    case Kind::tuple:
      return "tuple";
    case Kind::dict:
      return "dict";
    case Kind::range:
      return "range";
    case Kind::view:
      return value.as<ViewObject>().type_name;
    case Kind::generator:
      return value.as<GeneratorObject>().type_name;
    case Kind::name_space:
      return "Namespace";
    case Kind::function:
      return "function";
    case Kind::loop:
      return "LoopContext";
    case Kind::cycler:
      return "Cycler";
    case Kind::joiner:
      return "Joiner";
  }
  return "?";
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.as_int() != 0;
    case Kind::real:
      return value.as_real() != 0;
    case Kind::string:
      return !value.text().empty();
    case Kind::list:
    case Kind::tuple:
      return !value.items().empty();
    case Kind::dict:
      return !value.as<DictObject>().entries.empty();
    case Kind::range:
      return value.as<RangeObject>().size() != 0;
    case Kind::view:
      return !value.as<ViewObject>().items.empty();
    default:
      return true;
  }
}

bool is_same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.is_integral()) return a.as_int() == b.as_int();
  if (a.is(Kind::real)) return a.as_real() == b.as_real();
  if (a.is(Kind::none)) return true;
  if (a.is(Kind::string)) return a.bytes() == b.bytes();
  return a.identity() == b.identity();
}

bool is_hashable(const Value& value) {
  switch (value.kind()) {
    case Kind::list:
    case Kind::dict:
      return false;
    case Kind::tuple:
      for (const Value& item : value.items()) {
        // Tuples of tuples deep enough to matter are refused rather than followed.
        if (item.is(Kind::list) || item.is(Kind::dict)) return false;
        if (item.is(Kind::tuple)) {
          for (const Value& inner : item.items()) {
            if (inner.is(Kind::list) || inner.is(Kind::dict) || inner.is(Kind::tuple)) return false;
          }
        }
      }
      return true;
    default:
      return true;
  }
}

namespace {

constexpr int kMaxContextDepth = 200;

Result<Value> convert(const Json& json, Origin origin, int depth) {
  if (depth > kMaxContextDepth) {
    return fail(ErrorKind::too_large, "the template's context is nested deeper than {} levels",
                kMaxContextDepth);
  }
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
      return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned: {
      const uint64_t number = json.get<uint64_t>();
      if (number > INT64_MAX) {
        return fail(ErrorKind::too_large,
                    "{} in the template's context is too large for a 64-bit integer", number);
      }
      return Value::integer(static_cast<int64_t>(number));
    }
    case Json::value_t::number_float:
      return Value::real(json.get<double>());
    case Json::value_t::string:
      return Value::string(json.get_ref<const std::string&>(), origin);
    case Json::value_t::array: {
      Values items;
      items.reserve(json.size());
      for (const Json& item : json) {
        TRY(Value value, convert(item, origin, depth + 1));
        items.push_back(std::move(value));
      }
      return Value::list(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<std::pair<Value, Value>> entries;
      entries.reserve(json.size());
      for (const auto& [key, item] : json.items()) {
        TRY(Value value, convert(item, origin, depth + 1));
        entries.emplace_back(Value::string(key, origin), std::move(value));
      }
      return Value::dict(std::move(entries));
    }
    default:
      return Value::none();
  }
}

}  // namespace

Result<Value> from_json(const Json& json, Origin origin) { return convert(json, origin, 0); }

}  // namespace jiang::jinja
