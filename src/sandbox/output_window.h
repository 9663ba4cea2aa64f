// OutputWindow: the head and the tail of what a program printed, however much that was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jiang {

class OutputWindow {
 public:
  explicit OutputWindow(uint64_t max_bytes) : half_(max_bytes / 2) {}

  void add(std::string_view bytes);
  uint64_t total_bytes() const { return total_; }
  bool is_cut() const { return total_ > 2 * half_; }
  // Valid UTF-8, control characters as they came; "[... N bytes left out ...]" stands for the
  // middle.
  std::string text() const;

 private:
  const uint64_t half_;
  uint64_t total_ = 0;
  std::string head_;
  std::string tail_;  // at most twice half_; its end is what counts
};

}  // namespace jiang
