// Budget: what one render may still spend. Every evaluated node, visited element, scanned or copied
// byte costs steps. Strings cost memory while they live; lists and dicts cost memory for good.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "text/jinja/value.h"

namespace jiang::jinja {

class Budget {
 public:
  Budget(int64_t max_steps, size_t max_string_bytes, size_t max_memory_bytes)
      : max_steps_(max_steps),
        steps_(max_steps),
        max_string_(max_string_bytes),
        max_memory_(max_memory_bytes) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

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

  // Before a string of this size is made.
  Status check_size(size_t bytes) const {
    if (bytes <= max_string_) return ok();
    return fail(ErrorKind::too_large, "the template makes a string of more than {} bytes",
                max_string_);
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
    const size_t charge = text.size() + sizeof(StringObject);
    TRY_STATUS(check_size(text.size()));
    TRY_STATUS(step(charge / kCopiedBytesPerStep));
    if (charge > max_memory_ - live_bytes_) return out_of_memory();
    auto object = std::make_shared<StringObject>();
    object->text = std::move(text);
    object->markup = markup;
    object->charged = charge;
    object->live_bytes = &live_bytes_;
    live_bytes_ += charge;
    return Value::object(Kind::string, std::move(object));
  }
  Result<Value> list(Values items) {
    TRY_STATUS(reserve_items(items.size()));
    return Value::list(std::move(items));
  }
  // Before so many elements are put into a container.
  Status reserve_items(size_t count) {
    TRY_STATUS(step(count));
    if (count > (max_memory_ - item_bytes_) / sizeof(Value)) return out_of_memory();
    item_bytes_ += count * sizeof(Value);
    return ok();
  }

 private:
  static constexpr size_t kCopiedBytesPerStep = 256;

  Error out_of_memory() const {
    return fail(ErrorKind::too_large, "the template's values take more than {} bytes", max_memory_);
  }
  Status check_growth(const Text& out, size_t more) const { return check_size(out.size() + more); }

  int64_t max_steps_;
  int64_t steps_;
  size_t max_string_;
  size_t max_memory_;
  size_t live_bytes_ = 0;  // of strings
  size_t item_bytes_ = 0;  // of containers, those that are gone included
};

}  // namespace jiang::jinja
