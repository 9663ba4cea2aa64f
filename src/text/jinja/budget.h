// Budget: what one render may still spend. Every evaluated node, visited element and scanned byte
// costs steps; every string made costs bytes, kept or not, so that quadratic growth is seen.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "text/jinja/value.h"

namespace jiang::jinja {

class Budget {
 public:
  Budget(int64_t max_steps, size_t max_string_bytes, size_t max_total_bytes)
      : max_steps_(max_steps),
        steps_(max_steps),
        max_string_(max_string_bytes),
        max_total_(max_total_bytes),
        bytes_(max_total_bytes) {}

  // False when it is used up; then return out_of_steps().
  bool spend(int64_t steps) { return (steps_ -= steps) >= 0; }
  Error out_of_steps() const {
    return fail(ErrorKind::too_large, "the template took more than {} steps", max_steps_);
  }
  Status step(size_t n = 1) {
    if (n > static_cast<size_t>(max_steps_) || !spend(static_cast<int64_t>(n))) {
      return out_of_steps();
    }
    return ok();
  }
  // For work that looks at every byte.
  Status scan(size_t bytes) { return step(1 + bytes / 64); }

  // Before a string (or a list, at 32 bytes an element) of this size is made.
  Status reserve(size_t bytes) {
    if (bytes > max_string_) {
      return fail(ErrorKind::too_large, "the template makes a string of more than {} bytes",
                  max_string_);
    }
    if (bytes > bytes_) {
      return fail(ErrorKind::too_large, "the template makes more than {} bytes of strings",
                  max_total_);
    }
    bytes_ -= bytes;
    return ok();
  }
  size_t max_string() const { return max_string_; }

  Status append(Text& out, const Text& piece) {
    TRY_STATUS(check_growth(out, piece.size()));
    out.append(piece);
    return ok();
  }
  Status append(Text& out, std::string_view piece, Origin origin) {
    TRY_STATUS(check_growth(out, piece.size()));
    out.append(piece, origin);
    return ok();
  }

  // A string value; its bytes are paid for here.
  Result<Value> string(Text text, bool markup = false) {
    TRY_STATUS(reserve(text.size()));
    return Value::string(std::move(text), markup);
  }
  Result<Value> list(Values items) {
    TRY_STATUS(reserve_items(items.size()));
    return Value::list(std::move(items));
  }
  Status reserve_items(size_t count) {
    TRY_STATUS(step(count));
    if (count > max_string_ / sizeof(Value)) {
      return fail(ErrorKind::too_large, "the template makes a list of {} elements", count);
    }
    return reserve(count * sizeof(Value));
  }

 private:
  Status check_growth(const Text& out, size_t more) const {
    if (more > max_string_ - out.size()) {
      return fail(ErrorKind::too_large, "the template makes a string of more than {} bytes",
                  max_string_);
    }
    return ok();
  }

  int64_t max_steps_;
  int64_t steps_;
  size_t max_string_;
  size_t max_total_;
  size_t bytes_;
};

}  // namespace jiang::jinja
