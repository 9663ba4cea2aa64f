// The terminal at stdin and stderr: raw mode while a line is edited, keys from it, drawing on it.
// Drawing goes to stderr, so that a redirected stdout holds answers only.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/line_editor.h"

namespace jiang {

// Both ends are terminals that understand cursor movement.
bool terminal_can_edit();

// What reading a line ended with.
enum class LineOutcome { submitted, interrupted, left };
struct Line {
  LineOutcome outcome = LineOutcome::left;
  std::string text;
};

class Terminal {
 public:
  Terminal();
  ~Terminal();  // puts the terminal's own mode back
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Edits one line (or a """ text). `placeholder` is shown, dim, while it is empty.
  Line read_line(const Prompts& prompts, std::string_view placeholder,
                 const std::vector<std::string>& history);

 private:
  struct Mode;
  void enter_raw();
  void enter_quiet();  // keys wait unseen while an answer is written; Ctrl-C is a signal
  size_t columns() const;
  size_t lines() const;
  // Waits; empty on end of file. `resized` when the window changed instead.
  std::vector<Key> read_keys(bool& resized, bool& closed);
  void draw(const LineLayout& layout, std::string_view placeholder);
  void erase_drawn();

  std::unique_ptr<Mode> mode_;
  KeyDecoder decoder_;
  std::vector<Key> pending_;     // typed ahead of the next line
  size_t drawn_cursor_row_ = 0;  // of the last draw(), from its first row
};

// Without line editing: one line from stdin, prompts on stderr when it is a terminal. """ works.
Line read_plain_line(const Prompts& prompts);

}  // namespace jiang
