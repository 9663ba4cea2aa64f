// Json: a JSON value that keeps the order of its keys (templates and our own output need it).
//
// This header only names the type and what most callers need; include <nlohmann/json.hpp> through
// base/json_value.h in the .cpp files that look inside.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  size_t max_bytes = size_t{256} << 20;
  int max_depth = 128;
};

// Parses one JSON document (RFC 8259, nothing after it, no duplicate keys, valid UTF-8). `where`
// names the source in errors. Depth and size are bounded before anything is built.
Result<Json> parse_json(std::string_view text, std::string_view where, JsonLimits limits = {});
Result<Json> parse_json_file(const std::string& path, JsonLimits limits = {});

// Compact; or indented by `indent` spaces. Invalid UTF-8 becomes U+FFFD: never throws.
std::string to_string(const Json& value, int indent = -1);

}  // namespace jiang
