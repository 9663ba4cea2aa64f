#include "text/json_schema_shape.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/json_value.h"
#include "text/json_formats.h"
#include "text/json_schema_parts.h"

namespace jiang::json_schema {
namespace {

constexpr int kMaxReferences = 200;
constexpr int64_t kMaxBound = int64_t{1} << 30;

// Say nothing about what is valid.
constexpr std::array<std::string_view, 19> kAnnotations = {"title",
                                                           "description",
                                                           "default",
                                                           "examples",
                                                           "example",
                                                           "deprecated",
                                                           "readOnly",
                                                           "writeOnly",
                                                           "$schema",
                                                           "$comment",
                                                           "$defs",
                                                           "definitions",
                                                           "contentEncoding",
                                                           "discriminator",
                                                           "contentMediaType",
                                                           "$id",
                                                           "contentSchema",
                                                           "id",
                                                           "$vocabulary"};
// Read together with others.
constexpr std::array<std::string_view, 9> kTogether = {"properties",
                                                       "additionalProperties",
                                                       "items",
                                                       "prefixItems",
                                                       "additionalItems",
                                                       "$ref",
                                                       "allOf",
                                                       "anyOf",
                                                       "oneOf"};

template <size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<uint8_t> type_bits(const Json& name) {
  constexpr std::array<std::pair<std::string_view, uint8_t>, 7> kTypes = {
      {{"null", kNull},
       {"boolean", kBoolean},
       {"integer", kInteger},
       {"number", kInteger | kFraction},
       {"string", kString},
       {"array", kArray},
       {"object", kObject}}};
  for (const auto& [known, bits] : kTypes) {
    if (name.is_string() && name.get_ref<const std::string&>() == known) return bits;
  }
  return std::nullopt;
}

Result<int64_t> bound_of(const Json& argument, const std::string& path) {
  const bool is_whole =
      argument.is_number_integer() ||
      (argument.is_number_float() && argument.get<double>() == std::floor(argument.get<double>()));
  if (!is_whole || argument.get<double>() < 0) {
    return fail(ErrorKind::invalid_argument, "{} must be an integer of 0 or more, not {}", path,
                to_string(argument));
  }
  if (argument.get<double>() > static_cast<double>(kMaxBound)) return kMaxBound;
  return argument.get<int64_t>();
}

void raise(int64_t& bound, int64_t to) { bound = std::max(bound, to); }
void lower(int64_t& bound, int64_t to) { bound = bound < 0 ? to : std::min(bound, to); }

Error wrong_type(const std::string& path, std::string_view wanted, const Json& argument) {
  return fail(ErrorKind::invalid_argument, "{} must be {}, not {}", path, wanted,
              argument.type_name());
}

}  // namespace

Conjunction both(const Conjunction& a, const Conjunction& b) {
  Conjunction out;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

bool is_never(const Conjunction& schemas) {
  return std::any_of(schemas.begin(), schemas.end(),
                     [](const Json* one) { return one->is_boolean() && !one->get<bool>(); });
}

ShapeMaker::ShapeMaker(const Json& root, std::string where, const JsonSchemaLimits& limits)
    : root_(root), limits_(limits) {
  note(root, std::move(where));
}

void ShapeMaker::note(const Json& schema, std::string path) {
  paths_.try_emplace(&schema, std::move(path));
}

std::string ShapeMaker::path_of(const Json* schema) const {
  const auto found = paths_.find(schema);
  return found == paths_.end() ? "schema" : found->second;
}

Result<std::vector<Shape>> ShapeMaker::shapes_of(const Conjunction& conjunction) {
  std::vector<Shape> shapes(1);
  for (const Json* schema : conjunction) TRY_STATUS(apply(*schema, shapes, 0));
  return shapes;
}

Status ShapeMaker::apply(const Json& schema, std::vector<Shape>& shapes, int depth) {
  const std::string path = path_of(&schema);
  if (schema.is_boolean()) {
    if (!schema.get<bool>()) shapes.clear();
    return ok();
  }
  if (!schema.is_object()) return wrong_type(path, "a schema (an object or a boolean)", schema);
  if (depth > kMaxReferences)
    return fail(ErrorKind::invalid_argument, "{} refers to itself without end", path);
  for (Shape& shape : shapes) {
    if (std::count(shape.applied.begin(), shape.applied.end(), &schema) > 0) continue;
    if (shape.path.empty()) shape.path = path;
    shape.applied.push_back(&schema);
    TRY_STATUS(apply_properties(schema, path, shape));
    TRY_STATUS(apply_items(schema, path, shape));
    for (const auto& [keyword, argument] : schema.items()) {
      if (is_one_of(keyword, kAnnotations) || is_one_of(keyword, kTogether)) continue;
      if (keyword.starts_with("x-")) continue;
      TRY_STATUS(apply_keyword(schema, keyword, argument, path, shape));
    }
  }
  std::erase_if(shapes, [](const Shape& shape) { return shape.types == 0; });
  if (const auto id = schema.find("$id"); id != schema.end() && &schema != &root_) {
    return fail(ErrorKind::unsupported,
                "{}/$id: schemas with an address of their own are not supported", path);
  }
  if (const auto reference = schema.find("$ref"); reference != schema.end()) {
    if (!reference->is_string()) return wrong_type(path + "/$ref", "a string", *reference);
    auto target = find_reference(root_, reference->get_ref<const std::string&>());
    if (!target) return fail(target.error().kind, "{}: {}", path, target.error().message);
    const std::string& name = reference->get_ref<const std::string&>();
    note(**target, name == "#" ? path_of(&root_) : path_of(&root_) + name.substr(1));
    TRY_STATUS(apply(**target, shapes, depth + 1));
  }
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    const auto branches = schema.find(keyword);
    if (branches == schema.end()) continue;
    const std::string here = path + "/" + keyword;
    if (!branches->is_array() || branches->empty())
      return wrong_type(here, "a list of at least one schema", *branches);
    for (size_t i = 0; i < branches->size(); ++i)
      note((*branches)[i], here + "/" + std::to_string(i));
    if (keyword == std::string_view("allOf")) {
      for (const Json& one : *branches) TRY_STATUS(apply(one, shapes, depth + 1));
    } else {
      TRY_STATUS(
          apply_any_of(*branches, here, keyword == std::string_view("oneOf"), shapes, depth + 1));
    }
  }
  return ok();
}

Status ShapeMaker::apply_any_of(const Json& branches, const std::string& path, bool only_one,
                                std::vector<Shape>& shapes, int depth) {
  std::vector<Shape> all;
  std::vector<size_t> branch_of;  // of each of `all`
  for (size_t i = 0; i < branches.size(); ++i) {
    std::vector<Shape> some = shapes;
    TRY_STATUS(apply(branches[i], some, depth));
    if (all.size() + some.size() > limits_.max_alternatives) {
      return fail(ErrorKind::too_large, "{} makes more than {} alternatives of one value", path,
                  limits_.max_alternatives);
    }
    branch_of.insert(branch_of.end(), some.size(), i);
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  for (size_t i = 0; only_one && i < all.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (branch_of[i] == branch_of[j] || are_apart(all[i], all[j])) continue;
      return fail(ErrorKind::unsupported,
                  "{}: alternatives {} and {} may both be valid, which cannot be ruled out; use "
                  "anyOf, or give them a property with different constants",
                  path, branch_of[j], branch_of[i]);
    }
  }
  shapes = std::move(all);
  return ok();
}

Status ShapeMaker::apply_keyword(const Json& schema, const std::string& keyword,
                                 const Json& argument, const std::string& path, Shape& shape) {
  const std::string here = path + "/" + keyword;
  if (keyword == "type") {
    uint8_t types = 0;
    const Json list = argument.is_array() ? argument : Json::array({argument});
    for (const Json& name : list) {
      const auto bits = type_bits(name);
      if (!bits) {
        return fail(ErrorKind::invalid_argument, "{}: {} is no type", here, to_string(name));
      }
      types |= *bits;
    }
    shape.types &= types;
  } else if (keyword == "enum") {
    if (!argument.is_array()) return wrong_type(here, "a list", argument);
    shape.enumerations.push_back(&argument);
  } else if (keyword == "const") {
    shape.enumerations.push_back(&argument);
  } else if (keyword == "minLength") {
    TRY(const int64_t bound, bound_of(argument, here));
    raise(shape.min_length, bound);
  } else if (keyword == "maxLength") {
    TRY(const int64_t bound, bound_of(argument, here));
    lower(shape.max_length, bound);
  } else if (keyword == "minItems") {
    TRY(const int64_t bound, bound_of(argument, here));
    raise(shape.min_items, bound);
  } else if (keyword == "maxItems") {
    TRY(const int64_t bound, bound_of(argument, here));
    lower(shape.max_items, bound);
  } else if (keyword == "minProperties") {
    TRY(const int64_t bound, bound_of(argument, here));
    raise(shape.min_members, bound);
  } else if (keyword == "maxProperties") {
    TRY(const int64_t bound, bound_of(argument, here));
    lower(shape.max_members, bound);
  } else if (keyword == "required") {
    if (!argument.is_array()) return wrong_type(here, "a list of names", argument);
    for (const Json& name : argument) {
      if (!name.is_string()) return wrong_type(here, "a list of names", name);
      const std::string& text = name.get_ref<const std::string&>();
      if (std::count(shape.required.begin(), shape.required.end(), text) == 0)
        shape.required.push_back(text);
    }
  } else if (keyword == "pattern") {
    if (!argument.is_string()) return wrong_type(here, "a string", argument);
    shape.patterns.push_back({argument.get<std::string>(), false, here});
  } else if (keyword == "format") {
    if (!argument.is_string()) return wrong_type(here, "a string", argument);
    const std::string& name = argument.get_ref<const std::string&>();
    const std::string_view pattern = json_format_pattern(name);
    if (!pattern.empty()) {
      shape.patterns.push_back({std::string(pattern), true, here});
    } else if (!is_annotation_format(name)) {
      return fail(ErrorKind::unsupported, "{}: the format \"{}\" is not supported", here, name);
    }
  } else if (keyword == "minimum" || keyword == "maximum" || keyword == "exclusiveMinimum" ||
             keyword == "exclusiveMaximum" || keyword == "multipleOf") {
    // Draft 4: a flag beside minimum.
    const bool is_exclusive = keyword.starts_with("exclusive");
    if (is_exclusive && argument.is_boolean()) {
      const auto beside = schema.find(keyword == "exclusiveMinimum" ? "minimum" : "maximum");
      if (!argument.get<bool>() || beside == schema.end()) return ok();
      return apply_keyword(schema, keyword, *beside, path, shape);
    }
    if (!argument.is_number()) return wrong_type(here, "a number", argument);
    const auto decimal = Decimal::parse(to_string(argument));
    if (!decimal)
      return fail(ErrorKind::unsupported, "{}: {} has too large an exponent", here,
                  to_string(argument));
    shape.range_path = here;
    if (keyword == "multipleOf") {
      shape.steps.emplace_back(*decimal, here);
      return ok();
    }
    const bool is_minimum = keyword.ends_with("inimum");
    auto& bound = is_minimum ? shape.range.minimum : shape.range.maximum;
    bool& excludes = is_minimum ? shape.range.excludes_minimum : shape.range.excludes_maximum;
    const int order = bound ? compare(*decimal, *bound) : 0;
    const bool is_tighter = !bound || (is_minimum ? order > 0 : order < 0);
    if (is_tighter) excludes = is_exclusive;
    if (bound && order == 0) excludes = excludes || is_exclusive;
    if (is_tighter) bound = decimal;
  } else if (keyword == "uniqueItems" && argument.is_boolean() && !argument.get<bool>()) {
    return ok();
  } else {
    return fail(ErrorKind::unsupported, "{}: the keyword \"{}\" is not supported", here, keyword);
  }
  return ok();
}

Status ShapeMaker::apply_properties(const Json& schema, const std::string& path, Shape& shape) {
  const auto properties = schema.find("properties");
  const auto others = schema.find("additionalProperties");
  const bool has_properties = properties != schema.end();
  if (has_properties && !properties->is_object())
    return wrong_type(path + "/properties", "an object", *properties);
  Conjunction other_schemas;
  if (others != schema.end()) {
    note(*others, path + "/additionalProperties");
    shape.tells_others = true;
    other_schemas.push_back(&*others);
  }
  // Each keyword speaks of the names that its own schema does not list.
  for (Property& property : shape.properties) {
    const bool is_listed = has_properties && properties->contains(property.name);
    if (!is_listed) property.schemas = both(property.schemas, other_schemas);
  }
  if (has_properties) {
    std::map<std::string_view, size_t> known;
    for (size_t i = 0; i < shape.properties.size(); ++i) known[shape.properties[i].name] = i;
    std::vector<Property> fresh;
    for (const auto& [name, one] : properties->items()) {
      note(one, path + "/properties" + json_pointer_step(name));
      const auto found = known.find(name);
      if (found != known.end()) {
        Conjunction& schemas = shape.properties[found->second].schemas;
        schemas = both(schemas, {&one});
      } else {
        fresh.push_back({name, both(shape.others, {&one})});
      }
    }
    std::move(fresh.begin(), fresh.end(), std::back_inserter(shape.properties));
  }
  shape.others = both(shape.others, other_schemas);
  return ok();
}

Status ShapeMaker::apply_items(const Json& schema, const std::string& path, Shape& shape) {
  auto prefix = schema.find("prefixItems");
  auto items = schema.find("items");
  std::string prefix_path = path + "/prefixItems", items_path = path + "/items";
  if (prefix == schema.end() && items != schema.end() && items->is_array()) {  // before 2020-12
    prefix = items;
    prefix_path = items_path;
    items = schema.find("additionalItems");
    items_path = path + "/additionalItems";
  }
  if (prefix != schema.end() && !prefix->is_array())
    return wrong_type(prefix_path, "a list", *prefix);
  Conjunction rest;
  if (items != schema.end()) {
    note(*items, items_path);
    shape.tells_items = true;
    rest.push_back(&*items);
  }
  const size_t n_prefix = prefix == schema.end() ? 0 : prefix->size();
  while (shape.prefix.size() < n_prefix) shape.prefix.push_back(shape.items);
  for (size_t i = 0; i < shape.prefix.size(); ++i) {
    if (i < n_prefix) note((*prefix)[i], prefix_path + "/" + std::to_string(i));
    shape.prefix[i] = both(shape.prefix[i], i < n_prefix ? Conjunction{&(*prefix)[i]} : rest);
  }
  shape.items = both(shape.items, rest);
  return ok();
}

Result<std::vector<const Json*>> ShapeMaker::values_of(const Shape& shape) {
  // Those of the first enumeration that all keywords of the shape accept; the keywords that were
  // multiplied out were applied one by one.
  const Json& first = *shape.enumerations[0];
  bool is_list = false;    // of enum; const is the value itself
  std::vector<Json> rest;  // what else the schemas say
  for (const Json* schema : shape.applied) {
    Json own = *schema;
    for (const char* keyword : {"$ref", "allOf", "anyOf", "oneOf", "$defs", "definitions"})
      own.erase(keyword);
    for (const char* keyword : {"enum", "const"}) {
      const auto found = schema->find(keyword);
      if (found == schema->end() || &*found != &first) continue;
      is_list = keyword == std::string_view("enum");
      own.erase(keyword);
    }
    if (!own.empty()) rest.push_back(std::move(own));
  }
  std::vector<const Json*> values;
  const auto consider = [&](const Json& value) {
    for (const Json& schema : rest) {
      if (!validate_within(root_, schema, value)) return;
    }
    values.push_back(&value);
  };
  if (!is_list) {
    consider(first);
  } else {
    for (const Json& value : first) consider(value);
  }
  return values;
}

std::optional<std::vector<const Json*>> ShapeMaker::values_of_property(const Conjunction& schemas,
                                                                       int depth) {
  if (depth > 8) return std::nullopt;
  for (const Json* schema : schemas) {
    if (!schema->is_object()) continue;
    if (const auto found = schema->find("const"); found != schema->end())
      return std::vector<const Json*>{&*found};
    if (const auto found = schema->find("enum"); found != schema->end() && found->is_array()) {
      std::vector<const Json*> values;
      for (const Json& value : *found) values.push_back(&value);
      return values;
    }
    if (const auto found = schema->find("$ref"); found != schema->end() && found->is_string()) {
      const auto target = find_reference(root_, found->get_ref<const std::string&>());
      if (target) {
        auto values = values_of_property({*target}, depth + 1);
        if (values) return values;
      }
    }
  }
  return std::nullopt;
}

namespace {

bool have_common(const std::vector<const Json*>& a, const std::vector<const Json*>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Json* x) {
    return std::any_of(b.begin(), b.end(), [&](const Json* y) { return json_equal(*x, *y); });
  });
}

const Property* find_property(const Shape& shape, const std::string& name) {
  for (const Property& property : shape.properties) {
    if (property.name == name) return &property;
  }
  return nullptr;
}

bool ranges_are_apart(const NumberRange& a, const NumberRange& b) {
  const auto is_below = [](const NumberRange& low, const NumberRange& high) {
    if (!low.maximum || !high.minimum) return false;
    const int order = compare(*low.maximum, *high.minimum);
    return order < 0 || (order == 0 && (low.excludes_maximum || high.excludes_minimum));
  };
  return is_below(a, b) || is_below(b, a);
}

}  // namespace

// Whether no value can fit both: true only where that is certain.
bool ShapeMaker::are_apart(const Shape& a, const Shape& b) {
  const uint8_t common = a.types & b.types;
  if (common == 0) return true;
  if (!a.enumerations.empty() && !b.enumerations.empty()) {
    const auto x = values_of(a), y = values_of(b);
    if (x && y && !have_common(*x, *y)) return true;
  }
  for (uint8_t type = 1; type <= kObject; type = static_cast<uint8_t>(type << 1)) {
    if ((common & type) == 0) continue;
    bool is_apart = false;
    if (type == kObject) {
      const auto differ = [&](const Shape& one, const Shape& other) {
        return std::any_of(one.required.begin(), one.required.end(), [&](const std::string& name) {
          const Property* x = find_property(one, name);
          const Property* y = find_property(other, name);
          const Conjunction& schemas = y ? y->schemas : other.others;
          if (is_never(schemas)) return true;
          if (!x || !y) return false;
          const auto u = values_of_property(x->schemas, 0), v = values_of_property(schemas, 0);
          return u && v && !have_common(*u, *v);
        });
      };
      is_apart = differ(a, b) || differ(b, a);
    } else if (type == kInteger || type == kFraction) {
      is_apart = ranges_are_apart(a.range, b.range);
    } else if (type == kString) {
      is_apart = (a.max_length >= 0 && a.max_length < b.min_length) ||
                 (b.max_length >= 0 && b.max_length < a.min_length);
    } else if (type == kArray) {
      is_apart = (a.max_items >= 0 && a.max_items < b.min_items) ||
                 (b.max_items >= 0 && b.max_items < a.min_items);
    }
    if (!is_apart) return false;
  }
  return true;
}

}  // namespace jiang::json_schema
