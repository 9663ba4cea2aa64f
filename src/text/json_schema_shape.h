// Shape: what a conjunction of schemas says about a value, keyword by keyword. anyOf, oneOf, allOf
// and $ref are multiplied out: a value is valid when it fits one of several shapes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/json_schema.h"
#include "text/number_pattern.h"

namespace jiang::json_schema {

enum TypeBits : uint8_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kFraction = 8,  // numbers that are no integers
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAllTypes = 127,
};

// Schemas that all must hold; empty: anything does. Sorted, none twice.
using Conjunction = std::vector<const Json*>;

struct Property {
  std::string name;
  Conjunction schemas;
};
struct StringPattern {
  std::string pattern;
  bool is_format = false;  // the whole string
  std::string path;
};

struct Shape {
  uint8_t types = kAllTypes;
  std::vector<const Json*> enumerations;  // arrays of values
  Conjunction applied;                    // each schema whose own keywords are in here
  std::string path;                       // of the first of them

  int64_t min_length = 0, max_length = -1;
  std::vector<StringPattern> patterns;

  NumberRange range;
  std::string range_path;
  std::vector<std::pair<Decimal, std::string>> steps;  // and their paths

  std::vector<Property> properties;
  std::vector<std::string> required;
  Conjunction others;
  bool tells_others = false;  // additionalProperties was given
  int64_t min_members = 0, max_members = -1;

  std::vector<Conjunction> prefix;
  Conjunction items;
  bool tells_items = false;
  int64_t min_items = 0, max_items = -1;
};

// Multiplies schemas out. Pointers point into the schema's document, which outlives it.
class ShapeMaker {
 public:
  ShapeMaker(const Json& root, std::string where, const JsonSchemaLimits& limits);

  Result<std::vector<Shape>> shapes_of(const Conjunction& conjunction);
  // Values that a shape with enumerations has.
  Result<std::vector<const Json*>> values_of(const Shape& shape);
  std::string path_of(const Json* schema) const;
  const Json& root() const { return root_; }

 private:
  Status apply(const Json& schema, std::vector<Shape>& shapes, int depth);
  Status apply_keyword(const Json& schema, const std::string& keyword, const Json& argument,
                       const std::string& path, Shape& shape);
  Status apply_any_of(const Json& branches, const std::string& path, bool only_one,
                      std::vector<Shape>& shapes, int depth);
  Status apply_properties(const Json& schema, const std::string& path, Shape& shape);
  Status apply_items(const Json& schema, const std::string& path, Shape& shape);
  bool are_apart(const Shape& a, const Shape& b);
  std::optional<std::vector<const Json*>> values_of_property(const Conjunction& schemas, int depth);
  void note(const Json& schema, std::string path);

  const Json& root_;
  const JsonSchemaLimits limits_;
  std::map<const Json*, std::string> paths_;
};

// a and b together.
Conjunction both(const Conjunction& a, const Conjunction& b);
bool is_never(const Conjunction& schemas);  // holds `false`

}  // namespace jiang::json_schema
