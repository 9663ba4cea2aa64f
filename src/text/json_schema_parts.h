// What json_schema.cpp and json_validate.cpp share.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace jiang::json_schema {

// Objects without order, numbers by value.
bool json_equal(const Json& a, const Json& b);
// "#/..." within `root`.
Result<const Json*> find_reference(const Json& root, std::string_view reference);
// "/name", escaped.
std::string json_pointer_step(std::string_view name);
// As validate_json(), with references into `root`.
Status validate_within(const Json& root, const Json& schema, const Json& instance);

}  // namespace jiang::json_schema
