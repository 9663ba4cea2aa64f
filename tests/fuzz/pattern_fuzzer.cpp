// Patterns of JSON Schemas: any bytes may come. Time and memory stay bounded, and both spellings
// agree on plain text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/pattern_automaton.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace jiang;
  const std::string_view pattern(reinterpret_cast<const char*>(data), size);
  const DfaLimits limits{.max_states = 2000, .max_work = 500'000};
  const auto plain = pattern_dfa(pattern, PatternMode::search, limits);
  const auto quoted = json_string_pattern_dfa(pattern, PatternMode::search, limits);
  if (!plain || !quoted) return 0;
  for (const char* text : {"", "a", "abc", "0", "foo bar", "\xC3\xA9", "aaaaaaaaaaaaaaaaaaaaaa"}) {
    if (plain->matches(text) != quoted->matches(text)) std::abort();
  }
  return 0;
}
