// Schemas that answers are held to: Debian's json-schema-test-suite, and what people ask for.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json_value.h"

namespace jiang {

inline constexpr const char* kSuite = "/usr/share/json-schema-test-suite/tests";

struct SuiteCase {
  std::string name;
  Json schema;
  Json tests;
};
std::vector<SuiteCase> suite();

// (where it is from, the schema): of those that we support, all that some text satisfies.
std::vector<std::pair<std::string, Json>> satisfiable_schemas();

}  // namespace jiang
