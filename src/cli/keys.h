// Bytes from a terminal in raw mode -> keys. Pure: knows escape sequences, UTF-8 and bracketed
// paste, but no descriptor.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jiang {

enum class KeyKind {
  text,   // typed characters
  paste,  // between the brackets of a bracketed paste
  enter,
  newline,  // Alt-Enter: a new line inside the text
  backspace,
  delete_forward,
  left,
  right,
  up,
  down,
  home,
  end,
  word_left,
  word_right,
  kill_to_end,
  kill_to_start,
  kill_word_left,
  kill_word_right,
  yank,
  clear_screen,
  interrupt,    // Ctrl-C
  end_of_file,  // Ctrl-D
  suspend,      // Ctrl-Z
  ignored,
};

struct Key {
  KeyKind kind = KeyKind::ignored;
  std::string text;
};

class KeyDecoder {
 public:
  // Keys that are complete now; the rest is held for the next bytes.
  std::vector<Key> feed(std::string_view bytes);
  // No more bytes came for a while: a lone Escape is a key, not the start of a sequence.
  std::vector<Key> flush();
  bool is_waiting() const { return !held_.empty() && !in_paste_; }

 private:
  // One key from the front of held_, removed from there; nullopt: more bytes are needed.
  std::optional<Key> take(bool no_more);
  std::optional<Key> take_escape(bool no_more);

  std::string held_;
  bool in_paste_ = false;
  std::string paste_;
};

}  // namespace jiang
