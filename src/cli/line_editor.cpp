#include "cli/line_editor.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";
constexpr size_t kTabColumns = 4;

// Line ends become '\n'; control characters other than tab, which no prompt needs, are dropped.
std::string cleaned(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r') {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else if (c == '\n' || c == '\t' || c < 0 || (c >= 0x20 && c != 127)) {
      out += c;
    }
  }
  return replace_invalid_utf8(out);
}

bool is_word_at(std::string_view text, size_t at) {
  const char32_t c = decode_utf8(text.substr(at)).code_point;
  return is_letter(c) || is_number(c) || is_mark(c) || c == '_';
}

// Columns of one grapheme cluster: never more than a wide character has.
size_t columns_of(std::string_view grapheme) {
  return static_cast<size_t>(std::clamp(display_width(grapheme), 0, 2));
}

}  // namespace

EditOutcome LineEditor::handle(const Key& key) {
  switch (key.kind) {
    case KeyKind::text:
    case KeyKind::paste:
      insert(cleaned(key.text));
      break;
    case KeyKind::newline:
      insert("\n");
      break;
    case KeyKind::enter:
      if (!is_open_multiline(text_)) return EditOutcome::submitted;
      insert("\n");
      break;
    case KeyKind::backspace:
      erase(previous(cursor_), cursor_);
      break;
    case KeyKind::delete_forward:
      erase(cursor_, next(cursor_));
      break;
    case KeyKind::end_of_file:
      if (text_.empty()) return EditOutcome::left;
      erase(cursor_, next(cursor_));
      break;
    case KeyKind::left:
      cursor_ = previous(cursor_);
      break;
    case KeyKind::right:
      cursor_ = next(cursor_);
      break;
    case KeyKind::home:
      cursor_ = line_begin();
      break;
    case KeyKind::end:
      cursor_ = line_end();
      break;
    case KeyKind::word_left:
      cursor_ = word_left();
      break;
    case KeyKind::word_right:
      cursor_ = word_right();
      break;
    case KeyKind::kill_to_end:
      kill(cursor_, line_end());
      break;
    case KeyKind::kill_to_start:
      kill(line_begin(), cursor_);
      break;
    case KeyKind::kill_word_left:
      kill(word_left(), cursor_);
      break;
    case KeyKind::kill_word_right:
      kill(cursor_, word_right());
      break;
    case KeyKind::yank:
      insert(killed_);
      break;
    case KeyKind::up:
      if (!move_line(true)) recall(true);
      break;
    case KeyKind::down:
      if (!move_line(false)) recall(false);
      break;
    case KeyKind::clear_screen:
      return EditOutcome::clear_screen;
    case KeyKind::interrupt:
      return EditOutcome::interrupted;
    case KeyKind::suspend:
      return EditOutcome::suspend;
    case KeyKind::ignored:
      break;
  }
  return EditOutcome::changed;
}

void LineEditor::insert(std::string_view text) {
  text_.insert(cursor_, text);
  cursor_ += text.size();
}

void LineEditor::erase(size_t begin, size_t end) {
  text_.erase(begin, end - begin);
  cursor_ = begin;
}

void LineEditor::kill(size_t begin, size_t end) {
  if (begin == end) return;
  killed_ = text_.substr(begin, end - begin);
  erase(begin, end);
}

size_t LineEditor::next(size_t at) const {
  if (at >= text_.size()) return text_.size();
  return at + grapheme_length(std::string_view(text_).substr(at));
}

size_t LineEditor::previous(size_t at) const {
  if (at == 0) return 0;
  // Clusters are found from the front only; a line begins one.
  size_t here = text_.rfind('\n', at - 1);
  if (here == at - 1) return here;
  here = here == std::string::npos ? 0 : here + 1;
  for (size_t after = next(here); after < at; after = next(here)) here = after;
  return here;
}

size_t LineEditor::word_left() const {
  size_t at = cursor_;
  while (at > 0 && !is_word_at(text_, previous(at))) at = previous(at);
  while (at > 0 && is_word_at(text_, previous(at))) at = previous(at);
  return at;
}

size_t LineEditor::word_right() const {
  size_t at = cursor_;
  while (at < text_.size() && !is_word_at(text_, at)) at = next(at);
  while (at < text_.size() && is_word_at(text_, at)) at = next(at);
  return at;
}

size_t LineEditor::line_begin() const {
  if (cursor_ == 0) return 0;
  const size_t newline = text_.rfind('\n', cursor_ - 1);
  return newline == std::string::npos ? 0 : newline + 1;
}

size_t LineEditor::line_end() const { return std::min(text_.find('\n', cursor_), text_.size()); }

bool LineEditor::move_line(bool up) {
  const size_t begin = line_begin();
  const size_t end = line_end();
  if (up ? begin == 0 : end == text_.size()) return false;
  const auto column = display_width(std::string_view(text_).substr(begin, cursor_ - begin));
  cursor_ = up ? begin - 1 : end + 1;
  cursor_ = line_begin();
  const size_t target_end = line_end();
  const size_t target = cursor_;
  while (cursor_ < target_end &&
         display_width(std::string_view(text_).substr(target, cursor_ - target)) < column) {
    cursor_ = next(cursor_);
  }
  return true;
}

void LineEditor::recall(bool older) {
  if (older ? recalled_ == history_.size() : recalled_ == 0) return;
  if (recalled_ == 0) draft_ = text_;
  recalled_ = older ? recalled_ + 1 : recalled_ - 1;
  text_ = recalled_ == 0 ? draft_ : history_[history_.size() - recalled_];
  cursor_ = text_.size();
}

bool is_open_multiline(std::string_view text) {
  text = trim_ascii(text);
  if (text.substr(0, kQuotes.size()) != kQuotes) return false;
  text.remove_prefix(kQuotes.size());
  return text.size() < kQuotes.size() || text.substr(text.size() - kQuotes.size()) != kQuotes;
}

std::string unquote_multiline(std::string_view text) {
  const std::string_view inner = trim_ascii(text);
  if (inner.size() < 2 * kQuotes.size() || inner.substr(0, kQuotes.size()) != kQuotes ||
      is_open_multiline(inner)) {
    return std::string(text);
  }
  std::string_view body = inner.substr(kQuotes.size(), inner.size() - 2 * kQuotes.size());
  if (!body.empty() && body.front() == '\n') body.remove_prefix(1);
  if (!body.empty() && body.back() == '\n') body.remove_suffix(1);
  return std::string(body);
}

LineLayout layout_line(const Prompts& prompts, std::string_view text, size_t cursor,
                       size_t columns) {
  columns = std::max<size_t>(columns, 2);
  LineLayout out;
  size_t column = 0;
  const auto new_row = [&](bool ends_line) {
    if (!out.rows.empty()) out.rows.back().ends_line = ends_line;
    out.rows.emplace_back();
    column = 0;
  };
  const auto put = [&](std::string_view piece, size_t width) {
    if (column + width > columns) new_row(false);
    out.rows.back().text += piece;
    column += width;
  };
  const auto put_cluster = [&](std::string_view cluster) {
    if (cluster == "\t") {
      for (size_t i = 0; i < kTabColumns; ++i) put(" ", 1);
    } else {
      put(cluster, columns_of(cluster));
    }
  };
  const auto put_prompt = [&](std::string_view prompt) {
    while (!prompt.empty()) {
      const size_t n = grapheme_length(prompt);
      put_cluster(prompt.substr(0, n));
      prompt.remove_prefix(n);
    }
  };
  const auto mark_cursor = [&] {
    // A full row leaves the cursor waiting at its edge; the next character would begin a row.
    if (column == columns) new_row(false);
    out.cursor_row = out.rows.size() - 1;
    out.cursor_column = column;
  };

  new_row(true);
  put_prompt(prompts.first);
  for (size_t at = 0; at < text.size();) {
    const size_t n = grapheme_length(text.substr(at));
    const std::string_view cluster = text.substr(at, n);
    const bool has_cursor = at <= cursor && cursor < at + n;
    if (cluster[0] == '\n') {
      if (has_cursor) mark_cursor();
      new_row(true);
      put_prompt(prompts.next);
    } else {
      // The cursor stands on this character, wherever it wraps to.
      if (has_cursor && column + std::max<size_t>(columns_of(cluster), 1) > columns) {
        new_row(false);
      }
      if (has_cursor) mark_cursor();
      put_cluster(cluster);
    }
    at += n;
  }
  if (cursor >= text.size()) mark_cursor();
  return out;
}

}  // namespace jiang
