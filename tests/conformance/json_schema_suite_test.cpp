// Debian's json-schema-test-suite: what we support of it is kept, the rest is refused by name.
//
// Every valid instance, written with its members in the order of the schema, is in the grammar;
// every invalid one is not.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "base/json_value.h"
#include "tests/conformance/schema_corpus.h"
#include "tests/support/grammar_text.h"
#include "text/json_schema_parts.h"

namespace jiang {
namespace {

// Members in the order of the schema's, recursively where that is plain.
Json in_order(const Json& value, const Json& schema) {
  if (value.is_array()) {
    Json out = Json::array();
    for (size_t i = 0; i < value.size(); ++i) {
      const Json* items = schema.is_object() ? find_member(schema, "items") : nullptr;
      const Json* prefix = schema.is_object() ? find_member(schema, "prefixItems") : nullptr;
      if (!prefix && items && items->is_array()) prefix = items;
      const Json& one = prefix && i < prefix->size() ? (*prefix)[i] : items ? *items : Json();
      out.push_back(in_order(value[i], one));
    }
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object();
  const Json* properties = schema.is_object() ? find_member(schema, "properties") : nullptr;
  if (properties) {
    for (const auto& [name, one] : properties->items()) {
      if (value.contains(name)) out[name] = in_order(value[name], one);
    }
  }
  for (const auto& [name, one] : value.items()) {
    if (!out.contains(name)) out[name] = in_order(one, Json());
  }
  return out;
}

TEST(JsonSchemaSuite, ValidInstancesAreAcceptedAndInvalidOnesAreNot) {
  if (!std::filesystem::exists(kSuite)) GTEST_SKIP() << "needs Debian's json-schema-test-suite";
  size_t n_schemas = 0, n_supported = 0, n_valid = 0, n_accepted = 0, n_invalid = 0;
  std::vector<std::string> rejected;
  for (const SuiteCase& c : suite()) {
    ++n_schemas;
    const auto compiled = compile_schema(c.schema);
    if (!compiled) {
      EXPECT_FALSE(compiled.error().message.empty());
      continue;
    }
    ++n_supported;
    for (const Json& test : c.tests) {
      const Json& instance = test["data"];
      const std::string text = to_string(in_order(instance, c.schema));
      const std::string what = c.name + " / " + test["description"].get<std::string>();
      if (test["valid"].get<bool>()) {
        ++n_valid;
        if (accepts(**compiled, text)) {
          ++n_accepted;
        } else {
          rejected.push_back(what + "  " + text.substr(0, 100));
        }
      } else {
        // What strings hold inside (contentEncoding, contentMediaType) is told, not checked.
        if (c.name.starts_with("draft7/content.json")) continue;
        ++n_invalid;
        EXPECT_FALSE(accepts(**compiled, text)) << what << "\n" << text;
      }
    }
  }
  std::cout << fmt::format(
      "{} schemas, {} supported; {} of {} valid instances accepted, {} invalid ones refused\n",
      n_schemas, n_supported, n_accepted, n_valid, n_invalid);
  if (std::getenv("JIANG_VERBOSE") != nullptr) {
    for (const std::string& line : rejected) std::cout << "  " << line << "\n";
  }
  EXPECT_GT(n_supported, n_schemas / 3);
  // The rest are instances with members that a schema does not list, integers written as 1.0,
  // numbers of more digits than we write, and members in another order.
  EXPECT_GT(static_cast<double>(n_accepted), 0.8 * static_cast<double>(n_valid));
}

}  // namespace
}  // namespace jiang
