// JSON Schema (draft 2020-12 and what earlier drafts share) -> Grammar.
//
// The grammar's texts are the schema's valid instances, written in one way: members in the order of
// the schema, others after them, no name twice; strings, numbers and white space bounded where the
// schema leaves them free. A keyword that cannot be kept is an error with its name and path;
// annotations (title, description, default, examples ...) say nothing.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "text/grammar.h"

namespace jiang {

struct JsonSchemaLimits {
  size_t max_bytes = size_t{2} << 20;
  size_t max_nodes = 200'000;
  size_t max_alternatives = 256;  // of one value, when anyOf and allOf are multiplied out
};

// Adds the nodes of `schema` to `grammar` and returns its root. `where` begins paths in errors.
Result<NodeId> add_json_schema(Grammar& grammar, const Json& schema, std::string_view where,
                               const JsonSchemaLimits& limits = {});
// Any object, and any value.
NodeId add_any_json_object(Grammar& grammar);
NodeId add_any_json_value(Grammar& grammar);

// Whether `instance` is valid: an error says where and why not. Knows more keywords than
// add_json_schema(): not, if/then/else, contains, uniqueItems, patternProperties, propertyNames,
// dependentRequired, dependentSchemas. `pattern` is matched as the grammar does.
Status validate_json(const Json& schema, const Json& instance);

}  // namespace jiang
