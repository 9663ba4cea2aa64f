// Schemas come from clients: any JSON may come. Compiles them, makes a few texts, and holds those
// against the plain validator.
#include <cstdint>
#include <cstdlib>

#include "base/json_value.h"
#include "tests/support/grammar_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto schema = jiang::parse_json(text, "schema", {.max_bytes = 20'000, .max_depth = 60});
  if (!schema) return 0;
  const auto compiled = jiang::compile_schema(*schema);
  if (!compiled) {
    if (compiled.error().message.empty()) std::abort();
    return 0;
  }
  if ((*compiled)->costs.of((*compiled)->grammar.root) >= 100) return 0;
  std::mt19937_64 random(size);
  const jiang::RandomText made = jiang::random_text(*compiled, random, 120);
  if (made.got_stuck) std::abort();
  if (!made.has_ended) return 0;
  const auto value = jiang::parse_json(made.text, "made");
  if (!value || !jiang::validate_json(*schema, *value)) std::abort();
  return 0;
}
