#include "text/jinja/builtins.h"

namespace jiang::jinja {

Result<std::vector<const Value*>> bind(std::string_view function, const CallArguments& arguments,
                                       const std::vector<std::string_view>& names,
                                       size_t required) {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (arguments.positional.size() > names.size()) {
    return fail(ErrorKind::invalid_argument, "{} takes at most {} argument(s), {} given", function,
                names.size(), arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    size_t i = 0;
    while (i < names.size() && names[i] != name) ++i;
    if (i == names.size()) {
      return fail(ErrorKind::invalid_argument, "{} got an unexpected keyword argument '{}'",
                  function, name);
    }
    if (bound[i]) {
      return fail(ErrorKind::invalid_argument, "{} got multiple values for argument '{}'", function,
                  name);
    }
    bound[i] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!bound[i]) {
      return fail(ErrorKind::invalid_argument, "{} misses the argument '{}'", function, names[i]);
    }
  }
  return bound;
}

Result<int64_t> int_argument(std::string_view function, const Value* value, int64_t otherwise) {
  if (!value) return otherwise;
  if (value->is_integral()) return value->as_int();
  if (value->is(Kind::undefined)) {
    return fail(ErrorKind::invalid_argument, "{}", value->undefined_message());
  }
  return fail(ErrorKind::invalid_argument, "{}: '{}' object cannot be interpreted as an integer",
              function, type_name(*value));
}

bool bool_argument(const Value* value, bool otherwise) {
  return value ? is_true(*value) : otherwise;
}

bool is_given(const Value* value) { return value && !value->is(Kind::none); }

}  // namespace jiang::jinja
