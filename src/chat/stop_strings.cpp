#include "chat/stop_strings.h"

#include <algorithm>

#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxStrings = 64;
constexpr size_t kMaxBytes = 1024;

// Length of the longest proper prefix of `wanted` that `text` ends with.
size_t partial_match(std::string_view text, std::string_view wanted) {
  for (size_t length = std::min(text.size(), wanted.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == wanted.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

Result<StopStrings> StopStrings::create(std::vector<std::string> strings) {
  if (strings.size() > kMaxStrings) {
    return fail(ErrorKind::invalid_argument, "{} stop strings, at most {} are allowed",
                strings.size(), kMaxStrings);
  }
  for (const std::string& text : strings) {
    if (text.empty()) return fail(ErrorKind::invalid_argument, "a stop string is empty");
    if (text.size() > kMaxBytes) {
      return fail(ErrorKind::invalid_argument, "a stop string has {} bytes, at most {} are allowed",
                  text.size(), kMaxBytes);
    }
    if (!is_valid_utf8(text)) {
      return fail(ErrorKind::invalid_argument, "a stop string is not valid UTF-8");
    }
  }
  StopStrings result;
  result.strings_ = std::move(strings);
  return result;
}

StopStrings::Fed StopStrings::feed(std::string_view text) {
  held_ += text;
  size_t stop = std::string::npos;
  const std::string* found = nullptr;
  for (const std::string& wanted : strings_) {
    const size_t at = held_.find(wanted);
    if (at >= stop) continue;
    stop = at;
    found = &wanted;
  }
  if (found != nullptr) {
    Fed fed{held_.substr(0, stop), true, *found};
    held_.clear();
    return fed;
  }
  size_t keep = 0;
  for (const std::string& wanted : strings_) keep = std::max(keep, partial_match(held_, wanted));
  Fed fed{held_.substr(0, held_.size() - keep), false};
  held_.erase(0, held_.size() - keep);
  return fed;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace jiang
