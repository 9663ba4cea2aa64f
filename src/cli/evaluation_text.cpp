#include "cli/evaluation_text.h"

#include "base/file.h"

namespace jiang {

Result<std::vector<std::vector<TokenId>>> evaluation_chunks(const std::string& path,
                                                            const Tokenizer& tokenizer, int32_t n,
                                                            int32_t max_chunks) {
  constexpr size_t kMaxTextBytes = size_t{1} << 30;
  TRY(const std::string text, read_file(path, kMaxTextBytes));
  std::vector<TokenId> ids = tokenizer.encode(text);
  const bool has_bos = tokenizer.adds_bos() && tokenizer.bos();
  if (has_bos) ids.insert(ids.begin(), *tokenizer.bos());
  const auto length = static_cast<size_t>(n);
  size_t n_chunks = ids.size() / length;
  if (n_chunks == 0) {
    return fail(ErrorKind::invalid_argument,
                "{} has {} tokens, one chunk needs {}; give a longer text or a smaller -c", path,
                ids.size(), n);
  }
  if (max_chunks > 0) n_chunks = std::min(n_chunks, static_cast<size_t>(max_chunks));
  std::vector<std::vector<TokenId>> chunks;
  for (size_t i = 0; i < n_chunks; ++i) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(i * length);
    chunks.emplace_back(begin, begin + n);
    if (has_bos) chunks.back()[0] = *tokenizer.bos();
  }
  return chunks;
}

}  // namespace jiang
