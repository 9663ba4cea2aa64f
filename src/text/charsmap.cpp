#include "text/charsmap.h"

namespace jiang {
namespace {

uint32_t read_u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  }
  return value;
}

// Units of a Darts-clone array: bits 0-7 label, 8 has a value, 9 wide offset, 10-30 offset, 31
// leaf.
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
uint32_t label_of(uint32_t unit) { return unit & ((1u << 31) | 0xFF); }
bool has_value(uint32_t unit) { return ((unit >> 8) & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & ((1u << 31) - 1); }

}  // namespace

Result<Charsmap> Charsmap::parse(std::string_view bytes, std::string_view where) {
  Charsmap map;
  if (bytes.empty()) return map;
  if (bytes.size() < 4)
    return fail(ErrorKind::bad_file, "{}: charsmap of {} bytes", where, bytes.size());
  const uint32_t array_bytes = read_u32(bytes, 0);
  if (array_bytes % 4 != 0 || array_bytes > bytes.size() - 4) {
    return fail(ErrorKind::bad_file, "{}: charsmap of {} bytes declares an array of {}", where,
                bytes.size(), array_bytes);
  }
  map.units_.reserve(array_bytes / 4);
  for (size_t at = 4; at < 4 + size_t{array_bytes}; at += 4)
    map.units_.push_back(read_u32(bytes, at));
  map.replacements_ = bytes.substr(4 + array_bytes);
  return map;
}

std::string Charsmap::serialize() const {
  std::string bytes;
  const auto append_u32 = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
  };
  append_u32(static_cast<uint32_t>(units_.size() * 4));
  for (const uint32_t unit : units_) append_u32(unit);
  return bytes + replacements_;
}

Charsmap::Match Charsmap::walk(std::string_view text, bool longest) const {
  Match match;
  if (units_.empty()) return match;
  size_t node = offset_of(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte == 0) break;
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const bool ends = has_value(units_[node]);
    node ^= offset_of(units_[node]);
    if (!ends) continue;
    if (node >= units_.size()) break;
    const size_t at = value_of(units_[node]);
    if (at >= replacements_.size()) break;
    const size_t end = replacements_.find('\0', at);
    if (end == std::string::npos) break;
    match = {i + 1, std::string_view(replacements_).substr(at, end - at)};
    if (!longest) break;
  }
  return match;
}

Charsmap::Match Charsmap::longest_prefix(std::string_view text) const { return walk(text, true); }
Charsmap::Match Charsmap::shortest_prefix(std::string_view text) const { return walk(text, false); }

}  // namespace jiang
