#include "text/jinja/text.h"

#include <algorithm>

namespace jiang::jinja {

void Text::append(std::string_view bytes, Origin origin) {
  if (bytes.empty()) return;
  if (bytes_.empty()) {
    origin_ = origin;
    runs_.clear();
  } else if (runs_.empty() ? origin_ != origin : runs_.back().origin != origin) {
    if (runs_.empty()) runs_.push_back({bytes_.size(), origin_});
    runs_.push_back({bytes_.size(), origin});
  }
  bytes_.append(bytes);
  if (!runs_.empty()) runs_.back().end = bytes_.size();
}

void Text::append(const Text& other) { append_slice(other, 0, other.size()); }

void Text::append_slice(const Text& other, size_t begin, size_t end) {
  if (begin >= end) return;
  const std::string_view bytes = other.bytes_;
  if (other.runs_.empty()) return append(bytes.substr(begin, end - begin), other.origin_);
  auto run = std::upper_bound(other.runs_.begin(), other.runs_.end(), begin,
                              [](size_t position, const Run& r) { return position < r.end; });
  while (begin < end) {
    const size_t stop = std::min(run->end, end);
    append(bytes.substr(begin, stop - begin), run->origin);
    begin = stop;
    ++run;
  }
}

Text Text::slice(size_t begin, size_t end) const {
  Text out;
  out.append_slice(*this, begin, end);
  return out;
}

Origin Text::origin_at(size_t position) const {
  if (runs_.empty()) return origin_;
  return std::upper_bound(runs_.begin(), runs_.end(), position,
                          [](size_t p, const Run& r) { return p < r.end; })
      ->origin;
}

}  // namespace jiang::jinja
