// The other vocabulary files from any bytes: sentencepiece's protobuf, tiktoken, vocab.txt,
// vocab.json with merges.txt (first byte chooses).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/tokenizer_sources.h"

namespace {

jiang::Result<jiang::TokenizerSpec> read(uint8_t kind, std::string_view bytes) {
  switch (kind % 4) {
    case 0:
      return jiang::read_sentencepiece(bytes, "fuzz");
    case 1:
      return jiang::read_tiktoken(bytes, "qwen2", "fuzz");
    case 2:
      return jiang::read_vocab_txt(bytes, true, "fuzz");
    default: {
      const size_t cut = std::min(bytes.find('}'), bytes.size() - 1) + 1;
      return jiang::read_vocab_and_merges(bytes.substr(0, cut), bytes.substr(cut), "gpt-2", "fuzz");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto spec = read(data[0], bytes);
  if (!spec) return 0;
  const auto tokenizer = jiang::build_tokenizer(*std::move(spec), "fuzz");
  if (!tokenizer) return 0;
  const auto ids =
      (*tokenizer)->encode(bytes.substr(0, 200), {.parse_specials = true, .add_specials = true});
  for (const auto id : ids) {
    if (id < 0 || id >= (*tokenizer)->vocab_size()) __builtin_trap();
  }
  (*tokenizer)->decode(ids);
  return 0;
}
