// What a pull shows while it runs: on a terminal one bar per file and one for all, with speed and
// time left; elsewhere plain lines; or one JSON object a line on stdout.
#pragma once

#include <deque>
#include <string>

#include "install/pull.h"

namespace jiang {

class PullView {
 public:
  enum class Style { automatic, json };
  explicit PullView(Style style);
  ~PullView();  // wipes the bars
  PullView(const PullView&) = delete;
  PullView& operator=(const PullView&) = delete;

  void show(const PullEvent& event);

 private:
  void show_bars(const PullEvent& event);
  void show_lines(const PullEvent& event);
  void finish_file();
  void wipe();
  std::string bar(const std::string& label, uint64_t done, uint64_t total, double speed) const;
  // Bytes per second over the last seconds.
  double speed_of(uint64_t all_done);

  Style style_;
  bool has_bars_;
  int drawn_lines_ = 0;
  double last_draw_ = 0;
  std::string file_;
  uint64_t file_bytes_ = 0;
  int shown_percent_ = -1;
  PullEvent::Phase phase_ = PullEvent::Phase::listing;
  std::deque<std::pair<double, uint64_t>> history_;  // seconds, all_done
};

}  // namespace jiang
