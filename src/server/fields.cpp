#include "server/fields.h"

#include <algorithm>
#include <cmath>

#include "base/suggest.h"
#include "server/http_text.h"

namespace jiang {
namespace {

const char* type_name(const Json& value) {
  if (value.is_string()) return "a string";
  if (value.is_boolean()) return "a boolean";
  if (value.is_number()) return "a number";
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  return "null";
}

bool is_nothing(const Json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         ((value.is_array() || value.is_object() || value.is_string()) && value.size() == 0) ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

}  // namespace

Fields::Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) {
    std::string name = where_;
    if (!name.empty()) name.pop_back();
    error_ = bad_request(name.empty() ? "the body must be a JSON object"
                                      : name + " must be an object, not " + type_name(object),
                         name, "invalid_type");
  }
}

void Fields::fail(const std::string& name, std::string message, std::string code) {
  if (error_) return;
  error_ = bad_request(where_ + name + " " + std::move(message), where_ + name, std::move(code));
}

const Json* Fields::find(const char* name) {
  known_.emplace_back(name);
  return error_ ? nullptr : find_member(object_, name);
}

void Fields::text(const char* name, std::string& out) {
  std::optional<std::string> value;
  text(name, value);
  if (value) out = std::move(*value);
}

void Fields::text(const char* name, std::optional<std::string>& out) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_string())
    return fail(name, std::string("must be a string, not ") + type_name(*value), "invalid_type");
  out = value->get<std::string>();
}

void Fields::flag(const char* name, bool& out) {
  std::optional<bool> value;
  flag(name, value);
  if (value) out = *value;
}

void Fields::flag(const char* name, std::optional<bool>& out) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_boolean())
    return fail(name, std::string("must be true or false, not ") + type_name(*value),
                "invalid_type");
  out = value->get<bool>();
}

void Fields::integer(const char* name, int64_t& out, int64_t low, int64_t high) {
  std::optional<int64_t> value;
  integer(name, value, low, high);
  if (value) out = *value;
}

void Fields::integer(const char* name, std::optional<int64_t>& out, int64_t low, int64_t high) {
  const Json* value = find(name);
  if (value == nullptr) return;
  const auto refuse = [&] {
    fail(name, fmt::format("must be a whole number from {} to {}", low, high), "invalid_value");
  };
  if (!value->is_number()) {
    return fail(name, std::string("must be a whole number, not ") + type_name(*value),
                "invalid_type");
  }
  int64_t number = 0;
  if (value->is_number_float()) {  // 5.0 is five: some languages know no other numbers
    const auto real = value->get<double>();
    if (!(std::abs(real) < 9e15) || real != std::floor(real)) return refuse();
    number = static_cast<int64_t>(real);
  } else if (value->is_number_unsigned()) {
    if (value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return refuse();
    number = value->get<int64_t>();
  } else {
    number = value->get<int64_t>();
  }
  if (number < low || number > high) return refuse();
  out = number;
}

void Fields::number(const char* name, std::optional<double>& out, double low, double high) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_number())
    return fail(name, std::string("must be a number, not ") + type_name(*value), "invalid_type");
  const auto number = value->get<double>();
  if (!(number >= low && number <= high))
    return fail(name, fmt::format("must be from {} to {}", low, high), "invalid_value");
  out = number;
}

void Fields::choice(const char* name, std::optional<std::string>& out,
                    std::initializer_list<const char*> allowed) {
  std::optional<std::string> value;
  text(name, value);
  if (!value) return;
  std::string list;
  for (const char* word : allowed) {
    if (*value == word) {
      out = std::move(value);
      return;
    }
    list += (list.empty() ? "" : ", ") + std::string(word);
  }
  fail(name, "must be one of " + list, "invalid_value");
}

void Fields::json(const char* name, Json& out) {
  if (const Json* value = find(name)) out = *value;
}

void Fields::object(const char* name, Json& out) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_object())
    return fail(name, std::string("must be an object, not ") + type_name(*value), "invalid_type");
  out = *value;
}

void Fields::list(const char* name, Json& out) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_array())
    return fail(name, std::string("must be a list, not ") + type_name(*value), "invalid_type");
  out = *value;
}

void Fields::texts(const char* name, std::vector<std::string>& out, size_t most) {
  const Json* value = find(name);
  if (value == nullptr) return;
  const auto refuse = [&] {
    fail(name,
         fmt::format("must be a string or a list of at most {} strings, none of them empty", most),
         "invalid_value");
  };
  if (value->is_string()) {
    out = {value->get<std::string>()};
  } else if (value->is_array() && value->size() <= most) {
    for (const Json& item : *value) {
      if (!item.is_string()) return refuse();
      out.push_back(item.get<std::string>());
    }
  } else {
    return refuse();
  }
  if (std::any_of(out.begin(), out.end(), [](const auto& text) { return text.empty(); })) refuse();
}

void Fields::without_effect(const char* name) {
  if (find(name) != nullptr) ignored_.push_back(where_ + name);
}

void Fields::unsupported(const char* name, const Json& neutral) {
  const Json* value = find(name);
  if (value == nullptr || is_nothing(*value) || *value == neutral) return;
  fail(name, "is not supported by this server", "unsupported");
}

std::optional<ApiError> Fields::finish() {
  if (error_) return error_;
  for (const auto& [name, value] : object_.items()) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    if (const auto near = suggest(name, known_)) {
      return bad_request("there is no field " + where_ + log_text(name, 80) + "; did you mean " +
                             where_ + *near + "?",
                         where_ + log_text(name, 80), "unknown_field");
    }
    ignored_.push_back(where_ + log_text(name, 80));
  }
  return std::nullopt;
}

std::optional<ApiError> parse_object(const HttpRequest& request, Json& out) {
  auto parsed = parse_json(request.body, "the body", {.max_depth = kMaxJsonDepth});
  if (!parsed) return bad_request(parsed.error().message, {}, "invalid_json");
  out = *std::move(parsed);
  if (out.is_object()) return std::nullopt;
  return bad_request("the body must be a JSON object", {}, "invalid_type");
}

void add_ignored(const std::vector<std::string>& names, HeaderList& headers) {
  if (names.empty()) return;
  std::string list;
  for (const std::string& name : names) {
    if (list.size() > 1000) break;
    list += (list.empty() ? "" : ", ") + name;
  }
  headers.emplace_back("x-jiang-ignored", list);
}

}  // namespace jiang
