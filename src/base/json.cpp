#include "base/json.h"

#include <unordered_set>

#include "base/file.h"
#include "base/json_value.h"

namespace jiang {
namespace {

// Builds the value tree token by token: nlohmann's own parser neither bounds the depth nor refuses
// duplicate keys, and takes time quadratic in the members of an object (a Json object is a list).
class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit TreeBuilder(int max_depth) : max_depth_(static_cast<size_t>(max_depth)) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not in JSON
  bool start_object(std::size_t) override { return enter(Json::object()); }
  bool key(string_t& name) override {
    Level& level = levels_.back();
    if (level.keys.insert(name).second) {
      level.key = std::move(name);
      return true;
    }
    problem = fmt::format("key \"{}\" stands twice in one object", name.substr(0, 80));
    return false;
  }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(Json::array()); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // nlohmann's text begins "[json.exception.parse_error.101] parse error at line ...: "
    std::string text = error.what();
    const size_t bracket = text.find("] ");
    if (bracket != std::string::npos) text = text.substr(bracket + 2);
    problem = fmt::format("not valid JSON at byte {}: {}", position, text);
    return false;
  }

  Json root;
  std::string problem;

 private:
  // An object or array that is still open. It is the last element of the level above, which
  // therefore does not move it.
  struct Level {
    Json* value;
    std::string key;  // of the member to come
    std::unordered_set<std::string> keys;
  };

  template <class T>
  bool add(T&& value) {
    place(std::forward<T>(value));
    return true;
  }
  template <class T>
  Json* place(T&& value) {
    if (levels_.empty()) return &(root = Json(std::forward<T>(value)));
    Level& level = levels_.back();
    if (level.value->is_array()) {
      auto& array = level.value->get_ref<Json::array_t&>();
      return &array.emplace_back(std::forward<T>(value));
    }
    auto& members = level.value->get_ref<Json::object_t&>();
    Json::object_t::Container& list = members;  // past ordered_map's search for the key
    return &list.emplace_back(std::move(level.key), std::forward<T>(value)).second;
  }
  bool enter(Json&& empty) {
    if (levels_.size() == max_depth_) {
      problem = fmt::format("JSON is nested deeper than {} levels", max_depth_);
      return false;
    }
    Json* value = place(std::move(empty));
    levels_.push_back({value, {}, {}});
    return true;
  }
  bool leave() {
    levels_.pop_back();
    return true;
  }

  size_t max_depth_;
  std::vector<Level> levels_;
};

const char* type_name(const Json& value) {
  return value.is_number_float() ? "a fraction"
         : value.is_number()     ? "an integer"
                                 : value.type_name();
}

Error wrong_type(std::string_view where, std::string_view key, const char* wanted,
                 const Json* found) {
  if (!found) return fail(ErrorKind::bad_file, "{}: \"{}\" is missing", where, key);
  return fail(ErrorKind::bad_file, "{}: \"{}\" must be {}, found {}", where, key, wanted,
              type_name(*found));
}

// Whole numbers only, but 4096.0 and 1e6 count: some exporters write them so.
std::optional<int64_t> as_int(const Json& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) return std::nullopt;
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (!(number > -9.0e15 && number < 9.0e15) ||
      number != static_cast<double>(static_cast<int64_t>(number))) {
    return std::nullopt;
  }
  return static_cast<int64_t>(number);
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view where, JsonLimits limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorKind::too_large, "{}: {} bytes of JSON, at most {} are allowed", where,
                text.size(), limits.max_bytes);
  }
  // nlohmann takes a NUL for the end of the text.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorKind::bad_file, "{}: not valid JSON at byte {}: a NUL", where, nul);
  }
  TreeBuilder builder(limits.max_depth);
  if (Json::sax_parse(text.begin(), text.end(), &builder)) return std::move(builder.root);
  return fail(ErrorKind::bad_file, "{}: {}", where, builder.problem);
}

Result<Json> parse_json_file(const std::string& path, JsonLimits limits) {
  TRY(const std::string text, read_file(path, limits.max_bytes));
  return parse_json(text, path, limits);
}

std::string to_string(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

const Json* find_member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(key));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<int64_t> get_int(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = find_member(object, key);
  const auto value = member ? as_int(*member) : std::nullopt;
  if (!value) return wrong_type(where, key, "an integer", member);
  return *value;
}

Result<double> get_number(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = find_member(object, key);
  if (!member || !member->is_number()) return wrong_type(where, key, "a number", member);
  return member->get<double>();
}

Result<bool> get_bool(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = find_member(object, key);
  if (!member || !member->is_boolean()) return wrong_type(where, key, "true or false", member);
  return member->get<bool>();
}

Result<std::string> get_string(const Json& object, std::string_view key, std::string_view where) {
  const Json* member = find_member(object, key);
  if (!member || !member->is_string()) return wrong_type(where, key, "a string", member);
  return member->get<std::string>();
}

Result<int64_t> get_int_or(const Json& object, std::string_view key, int64_t otherwise,
                           std::string_view where) {
  if (!find_member(object, key)) return otherwise;
  return get_int(object, key, where);
}

Result<double> get_number_or(const Json& object, std::string_view key, double otherwise,
                             std::string_view where) {
  if (!find_member(object, key)) return otherwise;
  return get_number(object, key, where);
}

Result<bool> get_bool_or(const Json& object, std::string_view key, bool otherwise,
                         std::string_view where) {
  if (!find_member(object, key)) return otherwise;
  return get_bool(object, key, where);
}

Result<std::string> get_string_or(const Json& object, std::string_view key, std::string otherwise,
                                  std::string_view where) {
  if (!find_member(object, key)) return otherwise;
  return get_string(object, key, where);
}

}  // namespace jiang
