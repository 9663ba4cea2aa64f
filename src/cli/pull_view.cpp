#include "cli/pull_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/json_value.h"
#include "base/quantity.h"
#include "base/unicode.h"
#include "cli/output.h"
#include "cli/sanitizer.h"

namespace jiang {
namespace {

using Phase = PullEvent::Phase;

constexpr double kRedraw = 0.1;   // seconds
constexpr double kHistory = 8.0;  // seconds that the speed is an average of
constexpr int kPlainStep = 10;    // percent between plain lines

size_t terminal_columns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<uint64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

// Cut in the middle, so that beginning and end stay.
std::string fitted(const std::string& text, size_t columns) {
  if (text.size() <= columns) return text + std::string(columns - text.size(), ' ');
  const size_t front = columns / 2, back = columns - front - 2;
  return text.substr(0, front) + ".." + text.substr(text.size() - back);
}

}  // namespace

PullView::PullView(Style style)
    : style_(style),
      has_bars_(style != Style::json && stderr_is_terminal() && terminal_moves_cursor()) {}

PullView::~PullView() { wipe(); }

void PullView::show(const PullEvent& event) {
  if (style_ == Style::json) {
    // A reader that went away ends the program at its last line, not in the middle of a file.
    static_cast<void>(print(to_string(event_json(event)) + "\n"));
  } else if (has_bars_) {
    show_bars(event);
  } else {
    show_lines(event);
  }
}

void PullView::wipe() {
  if (drawn_lines_ == 0) return;
  std::string text = "\r";
  for (int i = 1; i < drawn_lines_; ++i) text += "\033[A";
  note_part(text + "\033[J");
  drawn_lines_ = 0;
}

double PullView::speed_of(uint64_t all_done) {
  const double now = now_seconds();
  history_.emplace_back(now, all_done);
  while (history_.size() > 2 && now - history_.front().first > kHistory) history_.pop_front();
  const auto& [since, from] = history_.front();
  return now - since > 0.5 ? static_cast<double>(all_done - from) / (now - since) : 0;
}

std::string PullView::bar(const std::string& label, uint64_t done, uint64_t total,
                          double speed) const {
  const size_t columns = terminal_columns();
  const double fraction =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0;
  std::string tail = total > 0 ? fmt::format(" {:>9}/{:<9}", human_bytes(done), human_bytes(total))
                               : fmt::format(" {:>9}", human_bytes(done));
  if (speed > 0 && done < total) {
    tail += fmt::format(" {:>9}/s {:>7}", human_bytes(static_cast<uint64_t>(speed)),
                        duration_text(static_cast<double>(total - done) / speed));
  }
  const size_t label_columns = std::clamp<size_t>(columns / 4, 8, 28);
  const size_t used = label_columns + 6 + tail.size() + 3;
  const size_t bar_columns = columns > used + 5 ? std::min<size_t>(columns - used, 30) : 0;
  std::string text = fitted(label, label_columns);
  text += total > 0 ? fmt::format(" {:3.0f}%", fraction * 100) : "     ";
  if (bar_columns > 0) {
    const auto filled = static_cast<size_t>(fraction * static_cast<double>(bar_columns));
    text += fmt::format(" [{:<{}}]", std::string(filled, '#'), bar_columns);
  }
  text += tail;
  return text.substr(0, columns - 1);
}

void PullView::finish_file() {
  if (file_.empty()) return;
  wipe();
  note(fmt::format("{}  {}", visible_line(file_), human_bytes(file_bytes_)));
  file_.clear();
  shown_percent_ = -1;
}

void PullView::show_bars(const PullEvent& event) {
  const bool is_transfer = event.phase == Phase::fetching || event.phase == Phase::verifying;
  if (is_transfer && event.file != file_) {
    finish_file();
    file_ = event.file;
  }
  if (is_transfer) file_bytes_ = event.total;
  if (event.phase == Phase::planned) {
    wipe();
    note(event.note);
    return;
  }
  if (event.phase == Phase::done) {
    finish_file();
    wipe();
    if (!event.note.empty()) note(event.note);
    return;
  }
  const double speed = speed_of(event.all_done);
  const bool is_new_phase = event.phase != phase_;
  phase_ = event.phase;
  const double now = now_seconds();
  if (!is_new_phase && now - last_draw_ < kRedraw) return;
  last_draw_ = now;
  std::vector<std::string> lines;
  switch (event.phase) {
    case Phase::listing:
      lines = {"asking the hub"};
      break;
    case Phase::waiting:
      lines = {event.file + ": another jiang fetches it, waiting"};
      break;
    case Phase::trying:
      lines = {"trying the model"};
      break;
    case Phase::fetching:
    case Phase::verifying:
      lines.push_back(bar(event.file, event.done, event.total, speed));
      if (event.all_total > 0) lines.push_back(bar("all", event.all_done, event.all_total, speed));
      break;
    case Phase::quantising:
      // While files still come their bars are more telling.
      if (event.all_done < event.all_total) return;
      lines.push_back(bar("quantising", event.done, event.total, 0));
      break;
    default:
      return;
  }
  wipe();
  std::string text;
  for (const std::string& line : lines) {
    text += (text.empty() ? "" : "\n") + visible_line(line);
  }
  drawn_lines_ = static_cast<int>(lines.size());
  note_part(text);
}

void PullView::show_lines(const PullEvent& event) {
  const bool is_new = event.phase != phase_ || event.file != file_;
  switch (event.phase) {
    case Phase::planned:
      note(event.note);
      break;
    case Phase::waiting:
      if (is_new) note(event.file + ": another jiang fetches it, waiting");
      break;
    case Phase::fetching: {
      if (event.file != file_) shown_percent_ = -1;
      const int percent = event.total > 0 ? static_cast<int>(event.done * 100 / event.total) : 0;
      const double speed = speed_of(event.all_done);
      if (percent / kPlainStep > shown_percent_ / kPlainStep || shown_percent_ < 0) {
        shown_percent_ = percent;
        note(fmt::format(
            "{}: {}%, {} of {}{}", visible_line(event.file), percent, human_bytes(event.done),
            human_bytes(event.total),
            speed > 0 ? fmt::format(", {}/s", human_bytes(static_cast<uint64_t>(speed))) : ""));
      }
      file_ = event.file;
      break;
    }
    case Phase::quantising:
      if (phase_ != Phase::quantising && event.all_done >= event.all_total) note("quantising");
      if (event.all_done < event.all_total) return;
      break;
    case Phase::trying:
      note("trying the model");
      break;
    case Phase::done:
      if (!event.note.empty()) note(event.note);
      break;
    default:
      break;
  }
  phase_ = event.phase;
}

}  // namespace jiang
