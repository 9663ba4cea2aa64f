// The inside of a JSON string, byte by byte: well-formed UTF-8, escapes, surrogates in pairs, no
// control characters.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace jiang {

// States between the quotes. kContent: between two characters.
enum class StringState : uint8_t {
  content,
  escape,  // after a backslash
  u1,
  u2,
  u2_d,
  u3,
  u4,  // \u and its digits; u2_d: the first was D
  high3,
  high4,  // of a high surrogate, its last two digits
  low_escape,
  low_u,
  low_d,
  low_2,
  low_3,
  low_4,  // the low one that must follow
  more1,
  more2,
  after_e0,
  after_ed,
  after_f0,
  more3,
  after_f4,  // continuation bytes
  closed,
  bad,
};
inline constexpr size_t kStringStates = static_cast<size_t>(StringState::bad) + 1;

// What comes after `byte`.
StringState next_string_state(StringState state, uint8_t byte);
// Fewest bytes back to content.
int32_t bytes_to_content(StringState state);

}  // namespace jiang
