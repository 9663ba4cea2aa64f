#include "cli/output.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include <poll.h>
#include <unistd.h>

#include "base/file.h"
#include "base/quantity.h"
#include "cli/messages.h"

namespace jiang {
namespace {

// 0, or errno.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(descriptor, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      pollfd wait{descriptor, POLLOUT, 0};
      poll(&wait, 1, -1);
    } else if (n < 0 && errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Status print(std::string_view text) {
  const int error = write_all(STDOUT_FILENO, text);
  if (error == 0) return ok();
  if (error == EPIPE) return Error{ErrorKind::io, message(Phrase::stdout_closed)};
  return Error{ErrorKind::io, message(Phrase::stdout_failed, std::strerror(error))};
}

void note(std::string_view line) { note_part(std::string(line) + "\n"); }
void note_part(std::string_view text) { write_all(STDERR_FILENO, text); }

Result<std::string> read_stdin(size_t max_bytes) {
  pollfd wait{STDIN_FILENO, POLLIN, 0};
  const int patience_ms = stdin_is_terminal() ? 0 : 2000;
  if (poll(&wait, 1, patience_ms) == 0) note(message(Phrase::waiting_for_stdin));
  return read_descriptor(STDIN_FILENO, "standard input", max_bytes);
}

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

bool terminal_moves_cursor() {
  const char* term = std::getenv("TERM");
  return term && *term && std::string_view(term) != "dumb";
}

bool color_is_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  return !(no_color && *no_color) && terminal_moves_cursor();
}

ProgressLine::ProgressLine(std::string label)
    : label_(std::move(label)),
      enabled_(stderr_is_terminal() && terminal_moves_cursor()),
      start_(now_seconds()) {}

ProgressLine::~ProgressLine() {
  if (drawn_) note_part("\r\033[K");
}

void ProgressLine::update(uint64_t done, uint64_t total, std::string_view detail) {
  if (!enabled_ || total == 0) return;
  std::string tail = human_bytes(done) + "/" + human_bytes(total);
  if (!detail.empty()) tail += "  " + std::string(detail);
  draw(static_cast<double>(done) / static_cast<double>(total), tail);
}

void ProgressLine::update_count(uint64_t done, uint64_t total, std::string_view unit) {
  if (!enabled_ || total == 0) return;
  draw(static_cast<double>(done) / static_cast<double>(total),
       fmt::format("{}/{} {}", done, total, unit));
}

void ProgressLine::draw(double fraction, const std::string& tail) {
  const double now = now_seconds();
  // What is over at once needs no bar.
  if (now - start_ < 0.3 || (now - last_ < 0.1 && fraction < 1)) return;
  last_ = now;
  drawn_ = true;
  constexpr int kBarColumns = 20;
  fraction = std::clamp(fraction, 0.0, 1.0);
  const int filled = static_cast<int>(fraction * kBarColumns);
  std::string line = fmt::format("\r{} {:3.0f}% [{:<{}}] {}", label_, fraction * 100,
                                 std::string(static_cast<size_t>(filled), '#'), kBarColumns, tail);
  const double elapsed = now - start_;
  if (fraction > 0 && fraction < 1 && elapsed > 1) {
    line += fmt::format(", {:.0f} s left", elapsed / fraction * (1 - fraction));
  }
  note_part(line + "\033[K");
}

}  // namespace jiang
