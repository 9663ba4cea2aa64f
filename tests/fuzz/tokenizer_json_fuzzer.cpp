// tokenizer.json from any bytes: an error, or a tokenizer that encodes and decodes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/tokenizer_sources.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto spec = jiang::read_tokenizer_json(text, "fuzz");
  if (!spec) return 0;
  const auto tokenizer = jiang::build_tokenizer(*std::move(spec), "fuzz");
  if (!tokenizer) return 0;
  for (const bool specials : {false, true}) {
    const auto ids = (*tokenizer)->encode(text.substr(0, 200), {specials, specials});
    for (const auto id : ids) {
      if (id < 0 || id >= (*tokenizer)->vocab_size()) __builtin_trap();
    }
    (*tokenizer)->decode(ids, specials);
  }
  return 0;
}
