// The functions that every template can call: Jinja's range, dict, namespace, cycler and joiner;
// raise_exception and strftime_now, which transformers adds. (lipsum has no place in a prompt.)
#include <ctime>

#include "text/jinja/interpreter.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // as jinja2's sandbox has it
constexpr size_t kMaxDateFormat = 256;

using GlobalFunction = Result<Value> (*)(Interpreter&, const CallArguments&);

class GlobalObject : public FunctionObject {
 public:
  explicit GlobalObject(GlobalFunction function) : function_(function) {}
  Result<Value> call(Interpreter& interpreter, const CallArguments& arguments) override {
    return function_(interpreter, arguments);
  }

 private:
  GlobalFunction function_;
};

Result<Value> make_range(Interpreter&, const CallArguments& arguments) {
  const size_t count = arguments.positional.size();
  if (count < 1 || count > 3 || !arguments.keyword.empty()) {
    return fail(ErrorKind::invalid_argument, "range takes one to three numbers");
  }
  auto range = std::make_shared<RangeObject>();
  std::vector<int64_t> numbers;
  for (const Value& value : arguments.positional) {
    TRY(const int64_t number, int_argument("range", &value, 0));
    numbers.push_back(number);
  }
  range->start = count == 1 ? 0 : numbers[0];
  range->stop = count == 1 ? numbers[0] : numbers[1];
  range->step = count == 3 ? numbers[2] : 1;
  if (range->step == 0)
    return fail(ErrorKind::invalid_argument, "range: the step must not be zero");
  if (range->size() > kMaxRange) {
    return fail(ErrorKind::too_large, "range of {} numbers, at most {} are allowed", range->size(),
                kMaxRange);
  }
  return Value::object(Kind::range, std::move(range));
}

// dict(mapping or pairs, **entries)
Status fill_dict(Interpreter& interpreter, const CallArguments& arguments, DictObject& dict) {
  if (arguments.positional.size() > 1) {
    return fail(ErrorKind::invalid_argument, "dict expected at most 1 argument, got {}",
                arguments.positional.size());
  }
  Budget& budget = interpreter.budget();
  for (const Value& source : arguments.positional) {
    if (source.is(Kind::dict)) {
      const auto& entries = source.as<DictObject>().entries;
      TRY_STATUS(budget.reserve_items(2 * entries.size()));
      for (const auto& [key, value] : entries) dict.set(key, value);
      continue;
    }
    TRY(const auto pairs, iterate(budget, source));
    TRY_STATUS(budget.reserve_items(2 * pairs->size()));
    for (const Value& pair : *pairs) {
      TRY(const auto parts, iterate(budget, pair));
      if (parts->size() != 2) {
        return fail(ErrorKind::invalid_argument, "dict: an entry has {} parts; 2 are required",
                    parts->size());
      }
      if (!is_hashable((*parts)[0])) {
        return fail(ErrorKind::invalid_argument, "unhashable type: '{}'", type_name((*parts)[0]));
      }
      TRY_STATUS(budget.step(1 + dict.entries.size() / 16));
      dict.set((*parts)[0], (*parts)[1]);
    }
  }
  for (const auto& [name, value] : arguments.keyword) {
    dict.set(Value::string(name, Origin::data), value);
  }
  return ok();
}

Result<Value> make_dict(Interpreter& interpreter, const CallArguments& arguments) {
  auto dict = std::make_shared<DictObject>();
  TRY_STATUS(fill_dict(interpreter, arguments, *dict));
  return Value::object(Kind::dict, std::move(dict));
}

Result<Value> make_namespace(Interpreter& interpreter, const CallArguments& arguments) {
  auto object = std::make_shared<NamespaceObject>();
  TRY_STATUS(fill_dict(interpreter, arguments, *object));
  return interpreter.adopt(Kind::name_space, std::move(object));
}

Result<Value> make_cycler(Interpreter&, const CallArguments& arguments) {
  if (arguments.positional.empty() || !arguments.keyword.empty()) {
    return fail(ErrorKind::invalid_argument, "cycler: at least one item has to be provided");
  }
  auto cycler = std::make_shared<CyclerObject>();
  cycler->items = arguments.positional;
  return Value::object(Kind::cycler, std::move(cycler));
}

Result<Value> make_joiner(Interpreter&, const CallArguments& arguments) {
  TRY(const auto args, bind("joiner", arguments, {"sep"}));
  auto joiner = std::make_shared<JoinerObject>();
  joiner->separator = args[0] ? *args[0] : Value::string(", ", Origin::from_template);
  return Value::object(Kind::joiner, std::move(joiner));
}

Result<Value> raise_exception(Interpreter& interpreter, const CallArguments& arguments) {
  TRY(const auto args, bind("raise_exception", arguments, {"message"}, 1));
  TRY(const Text text, to_text(interpreter.budget(), *args[0]));
  constexpr size_t kMaxMessage = 4000;
  return fail(ErrorKind::invalid_argument, "{}", text.bytes().substr(0, kMaxMessage));
}

Result<Value> strftime_now(Interpreter& interpreter, const CallArguments& arguments) {
  TRY(const auto args, bind("strftime_now", arguments, {"format"}, 1));
  if (!args[0]->is(Kind::string) || args[0]->bytes().size() > kMaxDateFormat) {
    return fail(ErrorKind::invalid_argument, "strftime_now wants a format of at most {} bytes",
                kMaxDateFormat);
  }
  // A space in front tells an empty result from a buffer that is too small.
  const std::string format = " " + args[0]->bytes();
  char buffer[16 * kMaxDateFormat];
  const size_t length = std::strftime(buffer, sizeof(buffer), format.c_str(), &interpreter.now());
  if (length == 0) return fail(ErrorKind::invalid_argument, "strftime_now: bad format");
  return Value::string(std::string_view(buffer + 1, length - 1), Origin::from_template);
}

}  // namespace

Value find_global(std::string_view name) {
  constexpr std::pair<std::string_view, GlobalFunction> kGlobals[] = {
      {"range", make_range},          {"dict", make_dict},     {"namespace", make_namespace},
      {"cycler", make_cycler},        {"joiner", make_joiner}, {"raise_exception", raise_exception},
      {"strftime_now", strftime_now},
  };
  for (const auto& [global, function] : kGlobals) {
    if (global == name) {
      return Value::object(Kind::function, std::make_shared<GlobalObject>(function));
    }
  }
  return Value();
}

}  // namespace jiang::jinja
