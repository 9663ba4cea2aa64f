#include "sandbox/output_window.h"

#include <algorithm>

#include "base/result.h"
#include "base/unicode.h"

namespace jiang {

void OutputWindow::add(std::string_view bytes) {
  total_ += bytes.size();
  const size_t for_head = std::min<uint64_t>(bytes.size(), half_ - head_.size());
  head_ += bytes.substr(0, for_head);
  bytes.remove_prefix(for_head);
  if (bytes.size() >= half_) {
    tail_ = bytes.substr(bytes.size() - half_);
    return;
  }
  tail_ += bytes;
  if (tail_.size() > 2 * half_) tail_.erase(0, tail_.size() - half_);
}

std::string OutputWindow::text() const {
  if (!is_cut()) return replace_invalid_utf8(head_ + tail_);
  // The cut may lie within a character on either side: those halves belong to what was left out.
  const size_t head_end = complete_utf8_prefix(head_);
  size_t tail_begin = tail_.size() - half_;
  for (int i = 0; i < 3 && tail_begin < tail_.size() && (tail_[tail_begin] & 0xC0) == 0x80; ++i) {
    ++tail_begin;
  }
  const uint64_t left_out = total_ - head_end - (tail_.size() - tail_begin);
  return replace_invalid_utf8(std::string_view(head_).substr(0, head_end)) +
         fmt::format("\n[... {} bytes left out ...]\n", left_out) +
         replace_invalid_utf8(std::string_view(tail_).substr(tail_begin));
}

}  // namespace jiang
