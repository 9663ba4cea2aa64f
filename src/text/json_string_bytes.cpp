#include "text/json_string_bytes.h"

namespace jiang {
namespace {

using S = StringState;

bool is_hex(uint8_t byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
         (byte >= 'A' && byte <= 'F');
}
bool is_any(uint8_t byte, const char* set) {
  for (; *set != '\0'; ++set) {
    if (byte == static_cast<uint8_t>(*set)) return true;
  }
  return false;
}
bool is_within(uint8_t byte, uint8_t low, uint8_t high) { return byte >= low && byte <= high; }

S after_content(uint8_t byte) {
  if (byte == '"') return S::closed;
  if (byte == '\\') return S::escape;
  if (byte < 0x20) return S::bad;
  if (byte < 0x80) return S::content;
  if (byte < 0xC2) return S::bad;
  if (byte < 0xE0) return S::more1;
  if (byte == 0xE0) return S::after_e0;
  if (byte == 0xED) return S::after_ed;
  if (byte < 0xF0) return S::more2;
  if (byte == 0xF0) return S::after_f0;
  if (byte < 0xF4) return S::more3;
  return byte == 0xF4 ? S::after_f4 : S::bad;
}

S compute(S state, uint8_t byte) {
  const auto hex = [&](S next) { return is_hex(byte) ? next : S::bad; };
  const auto only = [&](bool good, S next) { return good ? next : S::bad; };
  switch (state) {
    case S::content:
      return after_content(byte);
    case S::escape:
      return byte == 'u' ? S::u1 : only(is_any(byte, "\"\\/bfnrt"), S::content);
    case S::u1:
      return is_any(byte, "dD") ? S::u2_d : hex(S::u2);
    case S::u2:
      return hex(S::u3);
    case S::u2_d:
      if (is_within(byte, '0', '7')) return S::u3;
      return only(is_any(byte, "89abAB"), S::high3);  // a lone low surrogate is refused
    case S::u3:
      return hex(S::u4);
    case S::u4:
      return hex(S::content);
    case S::high3:
      return hex(S::high4);
    case S::high4:
      return hex(S::low_escape);
    case S::low_escape:
      return only(byte == '\\', S::low_u);
    case S::low_u:
      return only(byte == 'u', S::low_d);
    case S::low_d:
      return only(is_any(byte, "dD"), S::low_2);
    case S::low_2:
      return only(is_any(byte, "cdefCDEF"), S::low_3);
    case S::low_3:
      return hex(S::low_4);
    case S::low_4:
      return hex(S::content);
    case S::more1:
      return only(is_within(byte, 0x80, 0xBF), S::content);
    case S::more2:
      return only(is_within(byte, 0x80, 0xBF), S::more1);
    case S::more3:
      return only(is_within(byte, 0x80, 0xBF), S::more2);
    case S::after_e0:
      return only(is_within(byte, 0xA0, 0xBF), S::more1);
    case S::after_ed:
      return only(is_within(byte, 0x80, 0x9F), S::more1);
    case S::after_f0:
      return only(is_within(byte, 0x90, 0xBF), S::more2);
    case S::after_f4:
      return only(is_within(byte, 0x80, 0x8F), S::more2);
    case S::closed:
    case S::bad:
      break;
  }
  return S::bad;
}

struct Table {
  std::array<std::array<S, 256>, kStringStates> next;
  Table() {
    for (size_t state = 0; state < kStringStates; ++state) {
      for (size_t byte = 0; byte < 256; ++byte)
        next[state][byte] = compute(static_cast<S>(state), static_cast<uint8_t>(byte));
    }
  }
};

}  // namespace

StringState next_string_state(StringState state, uint8_t byte) {
  static const Table table;
  return table.next[static_cast<size_t>(state)][byte];
}

int32_t bytes_to_content(StringState state) {
  switch (state) {
    case S::content:
      return 0;
    case S::escape:
      return 1;
    case S::u1:
      return 4;
    case S::u2:
    case S::u2_d:
      return 3;
    case S::u3:
      return 2;
    case S::u4:
      return 1;
    case S::high3:
      return 8;
    case S::high4:
      return 7;
    case S::low_escape:
      return 6;
    case S::low_u:
      return 5;
    case S::low_d:
      return 4;
    case S::low_2:
      return 3;
    case S::low_3:
      return 2;
    case S::low_4:
      return 1;
    case S::more1:
      return 1;
    case S::more2:
    case S::after_e0:
    case S::after_ed:
      return 2;
    case S::more3:
    case S::after_f0:
    case S::after_f4:
      return 3;
    case S::closed:
    case S::bad:
      break;
  }
  return 0;
}

}  // namespace jiang
