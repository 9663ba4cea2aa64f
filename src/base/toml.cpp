#include "base/toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/file.h"
#include "base/json_value.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxBytes = size_t{4} << 20;

std::string pointer_token(std::string_view key) {
  std::string out;
  for (const char c : key) {
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

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

class Converter {
 public:
  Converter(TomlDocument& document, std::string_view where)
      : lines_(document.lines), where_(where) {}

  // toml++ bounds the nesting (256), so the recursion is bounded.
  Result<Json> convert(const toml::node& node, const std::string& pointer) {
    if (const auto* table = node.as_table()) return convert_table(*table, pointer);
    if (const auto* array = node.as_array()) {
      Json out = Json::array();
      for (size_t i = 0; i < array->size(); ++i) {
        const std::string item = pointer + "/" + std::to_string(i);
        lines_[item] = line_of((*array)[i]);
        TRY(Json value, convert((*array)[i], item));
        out.push_back(std::move(value));
      }
      return out;
    }
    if (const auto* text = node.as_string()) return Json(text->get());
    if (const auto* integer = node.as_integer()) return Json(integer->get());
    if (const auto* boolean = node.as_boolean()) return Json(boolean->get());
    if (const auto* number = node.as_floating_point()) {
      if (!std::isfinite(number->get())) return refuse(node, "inf and nan are not accepted");
      return Json(number->get());
    }
    return refuse(node, "dates and times are not accepted; put it in quotes");
  }

 private:
  // toml++ keeps tables sorted by name; we give the order of the file back.
  Result<Json> convert_table(const toml::table& table, const std::string& pointer) {
    std::vector<std::pair<std::string, const toml::node*>> members;
    for (const auto& [key, value] : table) {
      members.emplace_back(std::string(key.str()), &value);
      const int line = static_cast<int>(key.source().begin.line);
      lines_[pointer + "/" + pointer_token(key.str())] = line ? line : line_of(value);
    }
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
      const auto& left = a.second->source().begin;
      const auto& right = b.second->source().begin;
      return std::pair(left.line, left.column) < std::pair(right.line, right.column);
    });
    Json out = Json::object();
    for (const auto& [key, value] : members) {
      TRY(out[key], convert(*value, pointer + "/" + pointer_token(key)));
    }
    return out;
  }

  Error refuse(const toml::node& node, std::string_view why) const {
    return fail(ErrorKind::bad_file, "{}:{}: {}", where_, line_of(node), why);
  }

  std::map<std::string, int>& lines_;
  std::string_view where_;
};

}  // namespace

int TomlDocument::line(std::string_view pointer) const {
  while (true) {
    const auto found = lines.find(std::string(pointer));
    if (found != lines.end()) return found->second;
    const size_t slash = pointer.rfind('/');
    if (slash == std::string_view::npos || pointer.empty()) return 0;
    pointer = pointer.substr(0, slash);
  }
}

Result<TomlDocument> parse_toml(std::string_view text, std::string_view where) {
  if (text.size() > kMaxBytes) {
    return fail(ErrorKind::too_large, "{}: {} bytes, at most {} are read", where, text.size(),
                kMaxBytes);
  }
  // toml++ reports bad UTF-8 by byte values; the line is what a person needs.
  if (!is_valid_utf8(text)) {
    size_t at = 0;
    while (decode_utf8(text.substr(at)).valid) at += decode_utf8(text.substr(at)).length;
    return fail(ErrorKind::bad_file, "{}:{}: not UTF-8", where,
                1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n'));
  }
  try {
    const toml::table table = toml::parse(text);
    TomlDocument document;
    TRY(document.value, Converter(document, where).convert(table, ""));
    return document;
  } catch (const toml::parse_error& error) {
    return fail(ErrorKind::bad_file, "{}:{}: {}", where, error.source().begin.line,
                error.description());
  }
}

Result<TomlDocument> parse_toml_file(const std::string& path) {
  TRY(const std::string text, read_file(path, kMaxBytes));
  return parse_toml(text, path);
}

std::string quote_toml(std::string_view text) {
  const bool multi_line = text.find('\n') != std::string_view::npos;
  std::string out = multi_line ? "\"\"\"\n" : "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"') {
      out += "\\\"";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n' && multi_line) {
      out += '\n';
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + (multi_line ? "\"\"\"" : "\"");
}

std::string to_toml_value(const Json& value) {
  if (value.is_string()) return quote_toml(value.get_ref<const std::string&>());
  if (value.is_array()) {
    std::string out = "[";
    for (const Json& item : value) {
      if (item.is_null()) continue;
      out += (out.size() > 1 ? ", " : "") + to_toml_value(item);
    }
    return out + "]";
  }
  if (value.is_object()) {
    std::string out = "{";
    for (const auto& [key, member] : value.items()) {
      if (member.is_null()) continue;
      // An inline table may not span lines, so its strings are escaped onto one.
      std::string text = member.is_string() ? to_string(member) : to_toml_value(member);
      out += fmt::format("{} {} = {}", out.size() > 1 ? "," : "", quote_toml(key), text);
    }
    return out + (out.size() > 1 ? " }" : "}");
  }
  if (value.is_number_float()) {
    // JSON's shortest form is TOML's too, once it has a point or an exponent.
    std::string text = to_string(value);
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }
  return to_string(value);
}

}  // namespace jiang
