#include <algorithm>

#include "base/unicode.h"
#include "text/tokenizer.h"

namespace jiang {

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool with_specials)
    : tokenizer_(std::move(tokenizer)), with_specials_(with_specials) {}

void StreamDecoder::continue_after(std::span<const TokenId> prompt) {
  constexpr size_t kCharacterTokens = 8;  // more than one character has
  for (const TokenId id : prompt.last(std::min(prompt.size(), kCharacterTokens))) feed(id);
  n_of_prompt_ = held_.size();
}

std::string StreamDecoder::feed(TokenId id) {
  const std::string bytes = tokenizer_->text_bytes(id, first_, with_specials_);
  // A token of nothing but its first space still is the first: the next one keeps its own.
  if (!bytes.empty() ||
      (!tokenizer_->token_bytes(id).empty() && (with_specials_ || !tokenizer_->is_special(id)))) {
    first_ = false;
  }
  held_ += bytes;
  drop_what_the_prompt_left();
  const size_t whole = complete_utf8_prefix(held_);
  const std::string out = replace_invalid_utf8(std::string_view(held_).substr(0, whole));
  held_.erase(0, whole);
  return out;
}

void StreamDecoder::drop_what_the_prompt_left() {
  if (n_of_prompt_ == 0 || complete_utf8_prefix(held_) == 0) return;  // none, or it may go on
  const DecodedCodePoint first = decode_utf8(held_);
  if (!first.valid) held_.erase(0, n_of_prompt_);
  n_of_prompt_ = 0;
}

std::string StreamDecoder::finish() {
  held_.erase(0, n_of_prompt_);
  n_of_prompt_ = 0;
  const std::string out = replace_invalid_utf8(held_);
  held_.clear();
  first_ = true;
  return out;
}

}  // namespace jiang
