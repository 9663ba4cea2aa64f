// Charsmap: sentencepiece's precompiled normalisation, a Darts double array from byte strings to
// replacements. Comes from files, so every index is checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace jiang {

class Charsmap {
 public:
  // Layout: u32 size of the array in bytes, the array (u32 units), then 0-terminated strings. All
  // little-endian.
  static Result<Charsmap> parse(std::string_view bytes, std::string_view where);

  struct Match {
    size_t length = 0;  // bytes of the prefix that is replaced, 0: none
    std::string_view replacement;
  };
  Match longest_prefix(std::string_view text) const;
  Match shortest_prefix(std::string_view text) const;
  bool empty() const { return units_.empty(); }
  std::string serialize() const;  // what parse() read

 private:
  Match walk(std::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace jiang
