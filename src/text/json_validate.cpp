// validate_json(): the plain recursive reading of a schema, beside which the grammar is tested.
#include <algorithm>
#include <set>

#include "base/json_value.h"
#include "base/unicode.h"
#include "text/json_formats.h"
#include "text/json_schema.h"
#include "text/json_schema_parts.h"
#include "text/number_pattern.h"
#include "text/pattern_automaton.h"

namespace jiang {

using namespace json_schema;

namespace json_schema {

bool json_equal(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    const auto x = Decimal::parse(to_string(a)), y = Decimal::parse(to_string(b));
    return x && y ? compare(*x, *y) == 0 : a == b;
  }
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.is_array()) {
    return std::equal(a.begin(), a.end(), b.begin(), json_equal);
  }
  if (a.is_object()) {
    for (const auto& [name, value] : a.items()) {
      const auto other = b.find(name);
      if (other == b.end() || !json_equal(value, *other)) return false;
    }
    return true;
  }
  return a == b;
}

std::string json_pointer_step(std::string_view name) {
  std::string out = "/";
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

Result<const Json*> find_reference(const Json& root, std::string_view reference) {
  const auto missing = [&] {
    return fail(ErrorKind::invalid_argument, "$ref \"{}\" is nowhere in the schema", reference);
  };
  if (!reference.starts_with("#")) {
    return fail(ErrorKind::unsupported,
                "$ref \"{}\": only references within the schema (#/...) are supported", reference);
  }
  const Json* at = &root;
  std::string_view rest = reference.substr(1);
  if (!rest.empty() && rest[0] != '/') {
    return fail(ErrorKind::unsupported, "$ref \"{}\": anchors are not supported", reference);
  }
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('/'), rest.size());
    std::string name;
    for (size_t i = 0; i < end; ++i) {
      const auto hex = [](char c) {
        return c >= '0' && c <= '9'                 ? c - '0'
               : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                    : -1;
      };
      if (rest[i] == '%' && i + 2 < end && hex(rest[i + 1]) >= 0 && hex(rest[i + 2]) >= 0) {
        name += static_cast<char>(hex(rest[i + 1]) * 16 + hex(rest[i + 2]));
        i += 2;
      } else {
        name += rest[i];
      }
    }
    for (size_t i = 0; i < name.size(); ++i) {
      if (name[i] != '~' || i + 1 == name.size()) continue;
      if (name[i + 1] == '0') name.replace(i, 2, "~");
      if (name[i + 1] == '1') name.replace(i, 2, "/");
    }
    rest.remove_prefix(end);
    if (at->is_object()) {
      const auto found = at->find(name);
      if (found == at->end()) return missing();
      at = &*found;
    } else if (at->is_array() && !name.empty() && name.size() < 10 &&
               std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      const size_t index = std::stoul(name);
      if (index >= at->size()) return missing();
      at = &(*at)[index];
    } else {
      return missing();
    }
  }
  return at;
}

}  // namespace json_schema

namespace {

constexpr int kMaxReferences = 500;

class Validator {
 public:
  explicit Validator(const Json& root) : root_(root) {}

  Status validate(const Json& schema, const Json& value, const std::string& path, int depth) {
    if (schema.is_boolean()) {
      return schema.get<bool>() ? ok() : wrong(path, "no value is allowed here");
    }
    if (!schema.is_object()) return wrong(path, "the schema is neither an object nor a boolean");
    if (depth > kMaxReferences) return wrong(path, "the schema refers to itself without end");
    for (const auto& [keyword, argument] : schema.items()) {
      TRY_STATUS(check(schema, keyword, argument, value, path, depth + 1));
    }
    return ok();
  }

 private:
  template <class... Args>
  static Error wrong(const std::string& path, fmt::format_string<Args...> format, Args&&... args) {
    return fail(ErrorKind::invalid_argument, "{}: {}", path.empty() ? "the value" : path,
                fmt::format(format, std::forward<Args>(args)...));
  }
  bool holds(const Json& schema, const Json& value, int depth) {
    return validate(schema, value, "", depth).has_value();
  }

  Status check(const Json& schema, const std::string& keyword, const Json& argument,
               const Json& value, const std::string& path, int depth);
  Status check_number(const std::string& keyword, const Json& argument, const Json& value,
                      const std::string& path);
  Status check_string(const std::string& keyword, const Json& argument, const std::string& text,
                      const std::string& path);
  Status check_array(const Json& schema, const std::string& keyword, const Json& argument,
                     const Json& value, const std::string& path, int depth);
  Status check_object(const Json& schema, const std::string& keyword, const Json& argument,
                      const Json& value, const std::string& path, int depth);

  const Json& root_;
};

bool is_integer(const Json& value) {
  const auto decimal = Decimal::parse(to_string(value));
  return decimal && decimal->is_integer();
}

bool has_type(const Json& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  if (type == "number") return value.is_number();
  return type == "integer" && value.is_number() && is_integer(value);
}

Status Validator::check(const Json& schema, const std::string& keyword, const Json& argument,
                        const Json& value, const std::string& path, int depth) {
  if (keyword == "$ref") {
    TRY(const Json* target, find_reference(root_, argument.get<std::string>()));
    return validate(*target, value, path, depth);
  }
  if (keyword == "type") {
    const bool good = argument.is_array()
                          ? std::any_of(argument.begin(), argument.end(),
                                        [&](const Json& type) { return has_type(value, type); })
                          : has_type(value, argument);
    return good ? ok() : wrong(path, "is not of type {}", to_string(argument));
  }
  if (keyword == "const")
    return json_equal(argument, value) ? ok() : wrong(path, "is not {}", to_string(argument));
  if (keyword == "enum") {
    const bool good = std::any_of(argument.begin(), argument.end(),
                                  [&](const Json& one) { return json_equal(one, value); });
    return good ? ok() : wrong(path, "is none of {}", to_string(argument));
  }
  if (keyword == "allOf") {
    for (const Json& one : argument) TRY_STATUS(validate(one, value, path, depth));
    return ok();
  }
  if (keyword == "anyOf" || keyword == "oneOf") {
    const auto n = std::count_if(argument.begin(), argument.end(),
                                 [&](const Json& one) { return holds(one, value, depth); });
    const bool good = keyword == "anyOf" ? n > 0 : n == 1;
    return good ? ok() : wrong(path, "is valid by {} of {}", n, keyword);
  }
  if (keyword == "not")
    return holds(argument, value, depth) ? Status(wrong(path, "is valid by \"not\"")) : ok();
  if (keyword == "if") {
    const char* branch = holds(argument, value, depth) ? "then" : "else";
    const auto found = schema.find(branch);
    return found == schema.end() ? ok() : validate(*found, value, path, depth);
  }
  if (value.is_number()) return check_number(keyword, argument, value, path);
  if (value.is_string())
    return check_string(keyword, argument, value.get_ref<const std::string&>(), path);
  if (value.is_array()) return check_array(schema, keyword, argument, value, path, depth);
  if (value.is_object()) return check_object(schema, keyword, argument, value, path, depth);
  return ok();
}

Status Validator::check_number(const std::string& keyword, const Json& argument, const Json& value,
                               const std::string& path) {
  const bool is_bound = keyword == "minimum" || keyword == "maximum" ||
                        keyword == "exclusiveMinimum" || keyword == "exclusiveMaximum";
  if (!(is_bound || keyword == "multipleOf") || !argument.is_number()) return ok();
  const auto number = Decimal::parse(to_string(value)), bound = Decimal::parse(to_string(argument));
  if (!number || !bound) return wrong(path, "is out of the range of numbers");
  if (keyword == "multipleOf") {
    const size_t digits = std::max(number->fraction.size(), bound->fraction.size());
    const auto scaled = [&](const Decimal& d) {
      return d.integer + d.fraction + std::string(digits - d.fraction.size(), '0');
    };
    const std::string step_text = scaled(*bound);
    if (step_text.size() > 18) return wrong(path, "multipleOf has too many digits");
    const auto step = static_cast<unsigned __int128>(std::stoull(step_text));
    unsigned __int128 rest = 0;
    for (const char c : scaled(*number)) rest = (rest * 10 + static_cast<unsigned>(c - '0')) % step;
    return rest == 0 ? ok() : wrong(path, "is no multiple of {}", to_string(argument));
  }
  const int order = compare(*number, *bound);
  const bool good = keyword == "minimum"            ? order >= 0
                    : keyword == "maximum"          ? order <= 0
                    : keyword == "exclusiveMinimum" ? order > 0
                                                    : order < 0;
  return good ? ok() : wrong(path, "{} is {}", keyword, to_string(argument));
}

Status Validator::check_string(const std::string& keyword, const Json& argument,
                               const std::string& text, const std::string& path) {
  if (keyword == "minLength" || keyword == "maxLength") {
    int64_t length = 0;
    for (const char c : text) length += (static_cast<uint8_t>(c) & 0xC0) != 0x80 ? 1 : 0;
    const auto bound = argument.get<double>();
    const bool good = keyword == "minLength" ? static_cast<double>(length) >= bound
                                             : static_cast<double>(length) <= bound;
    return good ? ok() : wrong(path, "{} is {}", keyword, bound);
  }
  if (keyword == "pattern" || keyword == "format") {
    const bool is_format = keyword == "format";
    const std::string name = argument.get<std::string>();
    const std::string pattern = is_format ? std::string(json_format_pattern(name)) : name;
    if (is_format && pattern.empty()) return ok();
    TRY(const Dfa dfa, pattern_dfa(pattern, is_format ? PatternMode::whole : PatternMode::search));
    return dfa.matches(text) ? ok() : wrong(path, "does not match {} {}", keyword, name);
  }
  return ok();
}

Status Validator::check_array(const Json& schema, const std::string& keyword, const Json& argument,
                              const Json& value, const std::string& path, int depth) {
  const auto at = [&](size_t i) { return path + "/" + std::to_string(i); };
  if (keyword == "minItems" && static_cast<double>(value.size()) < argument.get<double>())
    return wrong(path, "has {} items", value.size());
  if (keyword == "maxItems" && static_cast<double>(value.size()) > argument.get<double>())
    return wrong(path, "has {} items", value.size());
  const Json* prefix = find_member(schema, "prefixItems");
  const Json* items = find_member(schema, "items");
  if (!prefix && items && items->is_array()) prefix = items;
  if (keyword == "prefixItems" || (keyword == "items" && argument.is_array())) {
    for (size_t i = 0; i < std::min(value.size(), argument.size()); ++i)
      TRY_STATUS(validate(argument[i], value[i], at(i), depth));
  } else if (keyword == "items" || (keyword == "additionalItems" && items && items->is_array())) {
    for (size_t i = prefix ? prefix->size() : 0; i < value.size(); ++i)
      TRY_STATUS(validate(argument, value[i], at(i), depth));
  } else if (keyword == "uniqueItems" && argument == true) {
    for (size_t i = 0; i < value.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (json_equal(value[i], value[j])) return wrong(path, "has an item twice");
      }
    }
  } else if (keyword == "contains") {
    const auto n = std::count_if(value.begin(), value.end(),
                                 [&](const Json& item) { return holds(argument, item, depth); });
    const Json* least = find_member(schema, "minContains");
    const Json* most = find_member(schema, "maxContains");
    if (static_cast<double>(n) < (least ? least->get<double>() : 1) ||
        (most && static_cast<double>(n) > most->get<double>()))
      return wrong(path, "has {} items that \"contains\" counts", n);
  }
  return ok();
}

Status Validator::check_object(const Json& schema, const std::string& keyword, const Json& argument,
                               const Json& value, const std::string& path, int depth) {
  if (keyword == "minProperties" && static_cast<double>(value.size()) < argument.get<double>())
    return wrong(path, "has {} members", value.size());
  if (keyword == "maxProperties" && static_cast<double>(value.size()) > argument.get<double>())
    return wrong(path, "has {} members", value.size());
  if (keyword == "required") {
    for (const Json& name : argument) {
      if (!value.contains(name.get<std::string>())) return wrong(path, "lacks {}", to_string(name));
    }
  } else if (keyword == "properties") {
    for (const auto& [name, one] : argument.items()) {
      const auto found = value.find(name);
      if (found != value.end())
        TRY_STATUS(validate(one, *found, path + json_pointer_step(name), depth));
    }
  } else if (keyword == "propertyNames") {
    for (const auto& [name, one] : value.items())
      TRY_STATUS(validate(argument, Json(name), path + json_pointer_step(name), depth));
  } else if (keyword == "patternProperties" || keyword == "additionalProperties") {
    std::vector<std::pair<Dfa, const Json*>> patterns;
    const auto listed = schema.find("patternProperties");
    if (listed != schema.end()) {
      for (const auto& [pattern, one] : listed->items()) {
        TRY(Dfa dfa, pattern_dfa(pattern, PatternMode::search));
        patterns.emplace_back(std::move(dfa), &one);
      }
    }
    const Json* properties = find_member(schema, "properties");
    for (const auto& [name, one] : value.items()) {
      bool is_listed = properties && properties->contains(name);
      for (const auto& [dfa, pattern_schema] : patterns) {
        if (!dfa.matches(name)) continue;
        is_listed = true;
        if (keyword == "patternProperties")
          TRY_STATUS(validate(*pattern_schema, one, path + json_pointer_step(name), depth));
      }
      if (!is_listed && keyword == "additionalProperties")
        TRY_STATUS(validate(argument, one, path + json_pointer_step(name), depth));
    }
  } else if (keyword == "dependentRequired") {
    for (const auto& [name, needed] : argument.items()) {
      if (!value.contains(name)) continue;
      for (const Json& other : needed) {
        if (!value.contains(other.get<std::string>()))
          return wrong(path, "lacks {}, which {} needs", to_string(other), name);
      }
    }
  } else if (keyword == "dependentSchemas") {
    for (const auto& [name, one] : argument.items()) {
      if (value.contains(name)) TRY_STATUS(validate(one, value, path, depth));
    }
  }
  return ok();
}

}  // namespace

Status validate_json(const Json& schema, const Json& instance) {
  return validate_within(schema, schema, instance);
}

namespace json_schema {

Status validate_within(const Json& root, const Json& schema, const Json& instance) {
  try {
    return Validator(root).validate(schema, instance, "", 0);
  } catch (const Json::exception& exception) {  // a keyword's argument of a wrong type
    return fail(ErrorKind::invalid_argument, "the schema is malformed: {}", exception.what());
  }
}

}  // namespace json_schema
}  // namespace jiang
