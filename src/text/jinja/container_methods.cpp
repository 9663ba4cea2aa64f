// The methods of dict, list, tuple and cycler. What would change a value is there in Python, but
// the sandbox refuses it.
#include <algorithm>

#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

Result<Value> make_view(Interpreter& in, const char* type_name, Values items) {
  TRY_STATUS(in.budget().reserve_items(items.size()));
  auto view = std::make_shared<ViewObject>();
  view->type_name = type_name;
  view->items = std::move(items);
  return Value::object(Kind::view, std::move(view));
}

Result<Value> dict_items(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("items", arguments, {}));
  Values pairs;
  for (const auto& [key, value] : self.as<DictObject>().entries) {
    pairs.push_back(Value::tuple({key, value}));
  }
  return make_view(in, "dict_items", std::move(pairs));
}

Result<Value> dict_keys(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("keys", arguments, {}));
  Values keys;
  for (const auto& entry : self.as<DictObject>().entries) keys.push_back(entry.first);
  return make_view(in, "dict_keys", std::move(keys));
}

Result<Value> dict_values(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("values", arguments, {}));
  Values values;
  for (const auto& entry : self.as<DictObject>().entries) values.push_back(entry.second);
  return make_view(in, "dict_values", std::move(values));
}

Result<Value> dict_get(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("get", arguments, {"key", "default"}, 1));
  if (!is_hashable(*args[0])) {
    return fail(ErrorKind::invalid_argument, "unhashable type: '{}'", type_name(*args[0]));
  }
  TRY_STATUS(in.budget().step());
  if (const Value* found = self.as<DictObject>().find(*args[0])) return *found;
  return args[1] ? *args[1] : Value::none();
}

Result<Value> copy(Interpreter&, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("copy", arguments, {}));
  return self;  // nothing can change it
}

Result<Value> sequence_count(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("count", arguments, {"value"}, 1));
  int64_t count = 0;
  for (const Value& item : self.items()) {
    TRY(const bool same, equal(in.budget(), item, *args[0]));
    count += same;
  }
  return Value::integer(count);
}

Result<Value> sequence_index(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("index", arguments, {"value", "start", "stop"}, 1));
  const auto size = static_cast<int64_t>(self.items().size());
  TRY(int64_t start, int_argument("index", args[1], 0));
  TRY(int64_t stop, int_argument("index", args[2], size));
  if (start < 0) start = std::max<int64_t>(start, -size) + size;
  if (stop < 0) stop = std::max<int64_t>(stop, -size) + size;
  for (int64_t i = start; i < std::min(stop, size); ++i) {
    TRY(const bool same, equal(in.budget(), self.items()[static_cast<size_t>(i)], *args[0]));
    if (same) return Value::integer(i);
  }
  return fail(ErrorKind::invalid_argument, "the value is not in the {}", type_name(self));
}

Result<Value> cycler_next(Interpreter&, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("next", arguments, {}));
  auto& cycler = self.as<CyclerObject>();
  Value current = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return current;
}

Result<Value> cycler_reset(Interpreter&, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("reset", arguments, {}));
  self.as<CyclerObject>().position = 0;
  return Value::none();
}

// Tables are sorted by name.
constexpr Method kDictMethods[] = {
    {"clear", nullptr},      {"copy", copy},      {"fromkeys", nullptr},   {"get", dict_get},
    {"items", dict_items},   {"keys", dict_keys}, {"pop", nullptr},        {"popitem", nullptr},
    {"setdefault", nullptr}, {"update", nullptr}, {"values", dict_values},
};

constexpr Method kListMethods[] = {
    {"append", nullptr}, {"clear", nullptr},        {"copy", copy},      {"count", sequence_count},
    {"extend", nullptr}, {"index", sequence_index}, {"insert", nullptr}, {"pop", nullptr},
    {"remove", nullptr}, {"reverse", nullptr},      {"sort", nullptr},
};

constexpr Method kTupleMethods[] = {
    {"count", sequence_count},
    {"index", sequence_index},
};

constexpr Method kCyclerMethods[] = {
    {"next", cycler_next},
    {"reset", cycler_reset},
};

const Method* find_in(std::span<const Method> methods, std::string_view name) {
  const auto found =
      std::lower_bound(methods.begin(), methods.end(), name,
                       [](const Method& m, std::string_view n) { return m.name < n; });
  return found != methods.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

const Method* find_method(Kind kind, std::string_view name) {
  switch (kind) {
    case Kind::string:
      return find_in(string_methods(), name);
    case Kind::dict:
      return find_in(kDictMethods, name);
    case Kind::list:
      return find_in(kListMethods, name);
    case Kind::tuple:
      return find_in(kTupleMethods, name);
    case Kind::cycler:
      return find_in(kCyclerMethods, name);
    default:
      return nullptr;
  }
}

}  // namespace jiang::jinja
