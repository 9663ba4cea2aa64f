#include "model/check_mark.h"

#include <cstddef>
#include <span>

#include "base/fast_hash.h"
#include "base/file.h"

namespace jiang {
namespace {

constexpr size_t kMostBytes = 4096;

}  // namespace

CheckMark::CheckMark(const std::string& path, const GuardedFile& file, double settled_seconds)
    : path_(path + ".checked"), is_settled_(file.unchanged_seconds() >= settled_seconds) {
  const auto boot = read_file("/proc/sys/kernel/random/boot_id", kMostBytes);
  const std::string identity = file.identity();
  if (!boot || boot->empty() || identity.empty()) return;
  text_ = fmt::format("jiang checked weights 1\n{}{}\n", *boot, identity);
  text_ += fmt::format("{:016x}\n", fast_hash(std::as_bytes(std::span(text_))));
}

bool CheckMark::is_there() const {
  if (text_.empty()) return false;
  const auto found = read_file(path_, kMostBytes);
  return found && *found == text_;
}

void CheckMark::write() const {
  if (text_.empty() || !is_settled_) return;
  // A folder that cannot be written costs the next start a check, which is what it cost this one.
  (void)write_file(path_, text_);
}

}  // namespace jiang
