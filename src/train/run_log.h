// What a run leaves for people: log.jsonl, a line per step, and loss.svg, its curve.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace jiang {

struct LogEntry {
  int64_t step = 0;
  double loss = 0;  // mean of the step
  std::optional<double> held_out;
  double learning_rate = 0;
  double gradient_norm = 0;
  double tokens = 0;  // seen so far
  double tokens_per_second = 0;
  std::optional<double> accuracy;  // of preferences
};

class RunLog {
 public:
  // Keeps the lines of an earlier part of the run up to `step` and drops later ones, which were
  // made again after a kill.
  static Result<RunLog> open(const std::string& path, int64_t step);
  RunLog(RunLog&&) noexcept;
  ~RunLog();

  Status append(const LogEntry& entry);
  const std::vector<LogEntry>& entries() const { return entries_; }

 private:
  RunLog() = default;
  std::string path_;
  int descriptor_ = -1;
  std::vector<LogEntry> entries_;
};

// The training loss (thin), its running mean, and the held-out loss (dots) over steps.
std::string loss_curve_svg(const std::vector<LogEntry>& entries);

}  // namespace jiang
