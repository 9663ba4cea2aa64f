// The three standard streams: answers go to stdout, everything else to stderr. Nothing is buffered
// here, so an error of the disk or the pipe is seen where it happens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

// Writes all of it to stdout. A reader that went away and a full disk are errors.
Status print(std::string_view text);
// A line to stderr ('\n' is added); errors are ignored, there is nowhere left to tell them.
void note(std::string_view line);
void note_part(std::string_view text);  // the same without '\n'

// All of stdin. Says on stderr that it waits, when nothing comes for a while.
Result<std::string> read_stdin(size_t max_bytes);

double now_seconds();  // of a clock that only runs forward

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();
// TERM is set and not "dumb": lines can be redrawn.
bool terminal_moves_cursor();
// That, and NO_COLOR is not set.
bool color_is_wanted();

// One line on stderr that is redrawn in place: "loading  67% [######    ] 6.2 GB/9.3 GB, 12 s
// left". Silent when stderr is not a terminal that can.
class ProgressLine {
 public:
  explicit ProgressLine(std::string label);
  ~ProgressLine();  // wipes the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void update(uint64_t done, uint64_t total, std::string_view detail = {});
  // Counts of things rather than bytes.
  void update_count(uint64_t done, uint64_t total, std::string_view unit);

 private:
  void draw(double fraction, const std::string& tail);

  std::string label_;
  bool enabled_;
  bool drawn_ = false;
  double start_;      // seconds
  double last_ = -1;  // seconds of the last redraw: at most ten a second
};

}  // namespace jiang
