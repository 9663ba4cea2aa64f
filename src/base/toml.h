// TOML in, our Json out, with the line of every key for error messages. The only includer of
// toml++ is toml.cpp. Writing TOML takes no library: quote_toml and to_toml_value.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"

namespace jiang {

struct TomlDocument {
  Json value;                             // an object; keys in the order of the file
  std::map<std::string, int> lines = {};  // "/server/port" -> 3

  // The line of a key by its JSON pointer; of the closest parent that is known, or 0.
  int line(std::string_view pointer) const;
};

// Errors read "WHERE:LINE: what". Dates and times are refused (JSON has none: write a string), and
// so are inf and nan.
Result<TomlDocument> parse_toml(std::string_view text, std::string_view where);
Result<TomlDocument> parse_toml_file(const std::string& path);

// A TOML string: "..." on one line, or """...""" when it has line breaks.
std::string quote_toml(std::string_view text);
// A value on the right of "key = ": strings, numbers, booleans, arrays and inline tables. null has
// no form in TOML: members that are null are left out.
std::string to_toml_value(const Json& value);

}  // namespace jiang
