#include "cli/terminal.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/unicode.h"
#include "cli/interrupt.h"
#include "cli/output.h"

namespace jiang {
namespace {

// An Escape key and the start of an escape sequence look alike; a sequence comes at once.
constexpr int kEscapeMilliseconds = 50;
constexpr int kLookMilliseconds = 500;

volatile std::sig_atomic_t window_changed = 0;
void on_window_change(int) { window_changed = 1; }

winsize window_size() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
  return size;
}

}  // namespace

struct Terminal::Mode {
  termios original = {};
};

bool terminal_can_edit() {
  return stdin_is_terminal() && stderr_is_terminal() && terminal_moves_cursor();
}

Terminal::Terminal() : mode_(std::make_unique<Mode>()) {
  tcgetattr(STDIN_FILENO, &mode_->original);
  struct sigaction action = {};
  action.sa_handler = on_window_change;  // no SA_RESTART: poll() returns and we redraw
  sigemptyset(&action.sa_mask);
  sigaction(SIGWINCH, &action, nullptr);
  enter_quiet();
}

Terminal::~Terminal() { tcsetattr(STDIN_FILENO, TCSADRAIN, &mode_->original); }

void Terminal::enter_raw() {
  termios raw = mode_->original;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL | INLCR | BRKINT | ISTRIP);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  note_part("\033[?2004h");  // bracketed paste
}

void Terminal::enter_quiet() {
  termios quiet = mode_->original;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
}

size_t Terminal::columns() const {
  const auto n = window_size().ws_col;
  return n > 0 ? n : 80;
}

size_t Terminal::lines() const {
  const auto n = window_size().ws_row;
  return n > 0 ? n : 24;
}

std::vector<Key> Terminal::read_keys(bool& resized, bool& closed) {
  while (true) {
    if (window_changed) {
      window_changed = 0;
      resized = true;
      return {};
    }
    if (must_leave()) {
      closed = true;
      return {};
    }
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    // A signal may come just before poll(): look again now and then.
    const bool is_waiting = decoder_.is_waiting();
    const int ready = poll(&wait, 1, is_waiting ? kEscapeMilliseconds : kLookMilliseconds);
    if (ready == 0 && is_waiting) return decoder_.flush();
    if (ready == 0) continue;
    if (ready < 0) {
      if (errno == EINTR) continue;
      closed = true;
      return {};
    }
    char bytes[65536];
    const ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      closed = true;
      return {};
    }
    auto keys = decoder_.feed({bytes, static_cast<size_t>(n)});
    if (!keys.empty()) return keys;
  }
}

void Terminal::erase_drawn() {
  if (drawn_cursor_row_ > 0) note_part(fmt::format("\033[{}A", drawn_cursor_row_));
  note_part("\r\033[J");
  drawn_cursor_row_ = 0;
}

void Terminal::draw(const LineLayout& layout, std::string_view placeholder) {
  // A text taller than the window is seen through it: what scrolled away cannot be redrawn.
  const size_t height = std::max<size_t>(lines(), 2) - 1;
  const size_t n_rows = layout.rows.size();
  const size_t first = layout.cursor_row < height ? 0 : layout.cursor_row - height + 1;
  const size_t last = std::min(n_rows, first + height);
  std::string out;
  if (drawn_cursor_row_ > 0) out += fmt::format("\033[{}A", drawn_cursor_row_);
  out += "\r\033[J";
  for (size_t i = first; i < last; ++i) {
    out += layout.rows[i].text;
    // A full row wraps by itself when the next one begins; the terminal then knows that they are
    // one line, and re-wraps them when its width changes.
    if (i + 1 < last && (layout.rows[i].ends_line || layout.rows[i + 1].text.empty()))
      out += "\r\n";
  }
  if (!placeholder.empty()) {
    out +=
        color_is_wanted() ? fmt::format("\033[2m{}\033[0m", placeholder) : std::string(placeholder);
  }
  if (last - 1 > layout.cursor_row) out += fmt::format("\033[{}A", last - 1 - layout.cursor_row);
  out += "\r";
  if (layout.cursor_column > 0) out += fmt::format("\033[{}C", layout.cursor_column);
  note_part(out);
  drawn_cursor_row_ = layout.cursor_row - first;
}

Line Terminal::read_line(const Prompts& prompts, std::string_view placeholder,
                         const std::vector<std::string>& history) {
  enter_raw();
  clear_interrupt();
  LineEditor editor(history);
  drawn_cursor_row_ = 0;
  std::optional<Line> line;
  const auto layout = [&] {
    return layout_line(prompts, editor.text(), editor.cursor(), columns());
  };
  const auto redraw = [&] {
    const bool fits =
        prompts.first.size() + static_cast<size_t>(display_width(placeholder)) < columns();
    draw(layout(), editor.text().empty() && fits ? placeholder : std::string_view());
  };
  redraw();
  while (!line) {
    bool resized = false;
    bool closed = false;
    if (pending_.empty()) pending_ = read_keys(resized, closed);
    if (closed) line = Line{LineOutcome::left, {}};
    if (resized) {
      // The terminal has re-wrapped what we drew; so do we, to find the row of the cursor.
      const size_t height = std::max<size_t>(lines(), 2) - 1;
      drawn_cursor_row_ = std::min(layout().cursor_row, height - 1);
      redraw();
    }
    size_t used = 0;
    for (const Key& key : pending_) {
      ++used;
      const EditOutcome outcome = editor.handle(key);
      if (outcome == EditOutcome::submitted) line = Line{LineOutcome::submitted, editor.text()};
      if (outcome == EditOutcome::interrupted) line = Line{LineOutcome::interrupted, editor.text()};
      if (outcome == EditOutcome::left) line = Line{LineOutcome::left, {}};
      if (line) break;
      if (outcome == EditOutcome::clear_screen) {
        note_part("\033[H\033[2J");
        drawn_cursor_row_ = 0;
      }
      if (outcome == EditOutcome::suspend) {
        erase_drawn();
        note_part("\033[?2004l");
        tcsetattr(STDIN_FILENO, TCSADRAIN, &mode_->original);
        raise(SIGTSTP);
        enter_raw();
      }
    }
    if (used > 0 && !line) redraw();
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(used));
  }
  // Leave the cursor below the text, without the placeholder.
  const LineLayout last = layout_line(prompts, editor.text(), editor.text().size(), columns());
  draw(last, {});
  note_part("\033[?2004l\r\n");
  enter_quiet();
  return *line;
}

Line read_plain_line(const Prompts& prompts) {
  const bool shows_prompt = stdin_is_terminal();
  std::string text;
  while (true) {
    if (shows_prompt) note_part(text.empty() ? prompts.first : prompts.next);
    bool ended = false;
    while (true) {
      char c = 0;
      const ssize_t n = read(STDIN_FILENO, &c, 1);
      if (n < 0 && errno == EINTR) {
        if (must_leave()) return {LineOutcome::left, {}};
        if (!interrupted()) continue;
        clear_interrupt();
        return {LineOutcome::interrupted, text};
      }
      if (n <= 0) {
        if (text.empty()) return {LineOutcome::left, {}};
        ended = true;
        break;
      }
      if (c == '\n') break;
      text += c;
    }
    if (ended || !is_open_multiline(text)) return {LineOutcome::submitted, text};
    text += '\n';
  }
}

}  // namespace jiang
