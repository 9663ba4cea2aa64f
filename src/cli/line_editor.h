// LineEditor: a text of one or several lines, a cursor and a history; keys go in. A pure state
// machine: terminal.h draws what layout_line() says.
//
// The cursor moves by grapheme clusters, so that backspace removes what looks like one character.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/keys.h"

namespace jiang {

// What a key means to the caller.
enum class EditOutcome {
  changed,      // redraw
  submitted,    // text() is the answer
  interrupted,  // Ctrl-C
  left,         // Ctrl-D on an empty line
  clear_screen,
  suspend,
};

class LineEditor {
 public:
  // `history` is borrowed: oldest first.
  explicit LineEditor(const std::vector<std::string>& history) : history_(history) {}

  EditOutcome handle(const Key& key);

  const std::string& text() const { return text_; }
  size_t cursor() const { return cursor_; }  // byte offset

 private:
  void insert(std::string_view text);
  void erase(size_t begin, size_t end);
  void kill(size_t begin, size_t end);
  size_t previous(size_t at) const;
  size_t next(size_t at) const;
  size_t word_left() const;
  size_t word_right() const;
  size_t line_begin() const;
  size_t line_end() const;
  // To the line above or below; false at the edge, where the history begins.
  bool move_line(bool up);
  void recall(bool older);

  const std::vector<std::string>& history_;
  std::string text_;
  size_t cursor_ = 0;
  std::string killed_;
  size_t recalled_ = 0;  // lines back in the history, 0: the draft
  std::string draft_;
};

// """ opens a text of several lines; Enter submits once it is closed.
bool is_open_multiline(std::string_view text);
// The text between the quotes; other text as it is.
std::string unquote_multiline(std::string_view text);

// How the text lies on a screen `columns` wide. Rows wrap as a terminal wraps them: a character of
// two columns that meets the last column goes to the next row.
struct LineLayout {
  struct Row {
    std::string text;        // prompt included
    bool ends_line = false;  // a newline follows, rather than a wrap
  };
  std::vector<Row> rows;
  size_t cursor_row = 0;
  size_t cursor_column = 0;
};
struct Prompts {
  std::string first = ">>> ";
  std::string next = "... ";
};
LineLayout layout_line(const Prompts& prompts, std::string_view text, size_t cursor,
                       size_t columns);

}  // namespace jiang
