#include "cli/keys.h"

#include <algorithm>
#include <utility>

#include "base/unicode.h"

namespace jiang {
namespace {

constexpr std::string_view kPasteEnd = "\033[201~";

KeyKind control_key(char c) {
  switch (c) {
    case 'A' - 64:
      return KeyKind::home;
    case 'B' - 64:
      return KeyKind::left;
    case 'C' - 64:
      return KeyKind::interrupt;
    case 'D' - 64:
      return KeyKind::end_of_file;
    case 'E' - 64:
      return KeyKind::end;
    case 'F' - 64:
      return KeyKind::right;
    case 'H' - 64:
      return KeyKind::backspace;
    case '\n':
      return KeyKind::enter;  // what was typed before the terminal was raw
    case 'K' - 64:
      return KeyKind::kill_to_end;
    case 'L' - 64:
      return KeyKind::clear_screen;
    case '\r':
      return KeyKind::enter;
    case 'N' - 64:
      return KeyKind::down;
    case 'P' - 64:
      return KeyKind::up;
    case 'U' - 64:
      return KeyKind::kill_to_start;
    case 'W' - 64:
      return KeyKind::kill_word_left;
    case 'Y' - 64:
      return KeyKind::yank;
    case 'Z' - 64:
      return KeyKind::suspend;
    case 127:
      return KeyKind::backspace;
    default:
      return KeyKind::ignored;
  }
}

// ESC c
KeyKind alt_key(char c) {
  switch (c) {
    case 'b':
      return KeyKind::word_left;
    case 'f':
      return KeyKind::word_right;
    case 'd':
      return KeyKind::kill_word_right;
    case 127:
      return KeyKind::kill_word_left;
    case '\r':
    case '\n':
      return KeyKind::newline;
    default:
      return KeyKind::ignored;
  }
}

// ESC [ parameters final, or ESC O final. "1;5" before C or D: with Ctrl; "1;3": with Alt.
KeyKind sequence_key(std::string_view parameters, char final) {
  const bool by_word = parameters == "1;5" || parameters == "1;3";
  switch (final) {
    case 'A':
      return KeyKind::up;
    case 'B':
      return KeyKind::down;
    case 'C':
      return by_word ? KeyKind::word_right : KeyKind::right;
    case 'D':
      return by_word ? KeyKind::word_left : KeyKind::left;
    case 'H':
      return KeyKind::home;
    case 'F':
      return KeyKind::end;
    case '~':
      if (parameters == "1" || parameters == "7") return KeyKind::home;
      if (parameters == "4" || parameters == "8") return KeyKind::end;
      if (parameters == "3") return KeyKind::delete_forward;
      return KeyKind::ignored;
    default:
      return KeyKind::ignored;
  }
}

}  // namespace

std::vector<Key> KeyDecoder::feed(std::string_view bytes) {
  held_ += bytes;
  std::vector<Key> keys;
  while (auto key = take(false)) keys.push_back(std::move(*key));
  return keys;
}

std::vector<Key> KeyDecoder::flush() {
  std::vector<Key> keys;
  while (auto key = take(true)) keys.push_back(std::move(*key));
  return keys;
}

std::optional<Key> KeyDecoder::take(bool no_more) {
  if (held_.empty()) return std::nullopt;
  if (in_paste_) {
    const size_t end = held_.find(kPasteEnd);
    if (end == std::string::npos) {
      // Keep what may be the beginning of the end mark.
      const size_t keep = std::min(held_.size(), kPasteEnd.size() - 1);
      paste_.append(held_, 0, held_.size() - keep);
      held_.erase(0, held_.size() - keep);
      return std::nullopt;
    }
    paste_.append(held_, 0, end);
    held_.erase(0, end + kPasteEnd.size());
    in_paste_ = false;
    return Key{KeyKind::paste, std::exchange(paste_, {})};
  }
  const char c = held_[0];
  if (c == '\033') return take_escape(no_more);
  if ((c >= 0 && c < 0x20) || c == 127) {
    held_.erase(0, 1);
    return Key{control_key(c), {}};
  }
  // A run of characters is one key: typing ahead and unbracketed pastes redraw once.
  size_t end = 0;
  while (end < held_.size() && (held_[end] < 0 || held_[end] >= 0x20) && held_[end] != 127) ++end;
  size_t whole = complete_utf8_prefix(std::string_view(held_).substr(0, end));
  if (end < held_.size() || no_more) whole = end;
  if (whole == 0) return std::nullopt;
  Key key{KeyKind::text, held_.substr(0, whole)};
  held_.erase(0, whole);
  return key;
}

std::optional<Key> KeyDecoder::take_escape(bool no_more) {
  if (held_.size() < 2) {
    if (!no_more) return std::nullopt;
    held_.clear();
    return Key{};
  }
  const char second = held_[1];
  if (second != '[' && second != 'O') {
    held_.erase(0, second == '\033' ? 1 : 2);
    return Key{alt_key(second), {}};
  }
  size_t end = 2;
  while (end < held_.size() && held_[end] >= 0x20 && held_[end] < 0x40) ++end;
  if (end == held_.size()) {
    if (!no_more && end < 64) return std::nullopt;
    held_.clear();
    return Key{};
  }
  const std::string parameters = held_.substr(2, end - 2);
  const char final = held_[end];
  held_.erase(0, end + 1);
  if (final == '~' && parameters == "200") {
    in_paste_ = true;
    return take(no_more).value_or(Key{});
  }
  return Key{sequence_key(parameters, final), {}};
}

}  // namespace jiang
