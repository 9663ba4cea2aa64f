#include "cli/sanitizer.h"

#include "base/unicode.h"

namespace jiang {
namespace {

constexpr char32_t kEscape = 0x1B;
constexpr char32_t kBell = 0x07;
constexpr char32_t kControlSequence8Bit = 0x9B;
constexpr char32_t kStringTerminator8Bit = 0x9C;

// ECMA-48 introducers whose payload lasts until ST: DCS, SOS, OSC, PM, APC, as ESC x.
bool opens_string(char32_t c) { return c == 'P' || c == 'X' || c == ']' || c == '^' || c == '_'; }
// The same as C1 controls.
bool opens_string_8bit(char32_t c) {
  return c == 0x90 || c == 0x98 || c == 0x9D || c == 0x9E || c == 0x9F;
}

bool is_bidi_control(char32_t c) {
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E ||
         c == 0x200F || c == 0x061C;
}

}  // namespace

std::string TerminalSanitizer::feed(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const DecodedCodePoint decoded = decode_utf8(text);
    const char32_t c = decoded.code_point;
    const std::string_view bytes = text.substr(0, static_cast<size_t>(decoded.length));
    text.remove_prefix(bytes.size());

    if (c == '\n') {
      // No sequence spans lines in earnest; an unfinished one must not swallow the answer.
      state_ = State::text;
      out += '\n';
      continue;
    }
    if (c == kEscape) {
      state_ = State::escape;  // also the first half of ST, whose '\' the next state eats
      continue;
    }
    switch (state_) {
      case State::escape:
        if (c == '[') {
          state_ = State::control_sequence;
        } else if (opens_string(c)) {
          state_ = State::string;
        } else if (c < 0x20 || c > 0x2F) {  // intermediate bytes go on, anything else is final
          state_ = State::text;
          if (c > 0x7E) break;  // not a final byte: a character of the text
        }
        continue;
      case State::control_sequence:
        if (c >= 0x40 && c <= 0x7E) {
          state_ = State::text;
          continue;
        }
        if (c <= 0x3F) continue;
        state_ = State::text;
        break;
      case State::string:
        if (c == kBell || c == kStringTerminator8Bit) state_ = State::text;
        continue;
      case State::text:
        break;
    }
    if (c == kControlSequence8Bit) {
      state_ = State::control_sequence;
    } else if (opens_string_8bit(c) && decoded.valid) {
      state_ = State::string;
    } else if (c == '\t' || (c >= 0x20 && !(c >= 0x7F && c <= 0x9F) && !is_bidi_control(c))) {
      if (decoded.valid) {
        out += bytes;
      } else {
        append_utf8(out, kReplacementCharacter);
      }
    }
  }
  return out;
}

std::string visible_line(std::string_view text) {
  std::string line = TerminalSanitizer().feed(text);
  for (char& c : line) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return line;
}

}  // namespace jiang
