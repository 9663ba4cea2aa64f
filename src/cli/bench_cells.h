// The cells of `jiang bench --suite`: what is measured, in which order, how long each is expected
// to take, and what is left out and why. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/bench_measure.h"

namespace jiang {

enum class CellKind : uint8_t { prefill, decode };

// The groups that are measured together, each on an engine of its own.
enum class CellGroup : uint8_t { prefill, together, depth, one_thread };

struct BenchCell {
  CellGroup group = CellGroup::prefill;
  CellKind kind = CellKind::prefill;
  int32_t tokens = 0;  // of the prompt, or decoded by each answer
  int32_t batch = 1;   // answers decoded together
  int32_t depth = 1;   // tokens of context before the first decoded one

  int32_t context() const;   // that an engine needs for it
  std::string name() const;  // "prefill of 512 tokens", "decode at a context of 8192"
};

// A model as far as cells depend on it.
struct CellModel {
  TokenCosts costs;
  int32_t context = 0;  // trained
  int threads = 1;      // of the run
};

struct LeftOut {
  std::string name;
  std::string reason;
};

struct CellPlan {
  std::vector<BenchCell> cells;  // those of a group consecutive, from cheap to dear
  std::vector<LeftOut> left_out;
};

inline constexpr int32_t kSuiteDecodeTokens = 64;
inline constexpr int32_t kSuitePrefillRows = 512;  // of one pass
// What takes longer than this is measured once, and with --quick not at all.
inline constexpr double kLongCellSeconds = 60;

// All cells, without those that do not fit the model's context or that need a second thread.
CellPlan plan_cells(const CellModel& model);

// How long things take, from what was measured already.
class CellClock {
 public:
  // A prefill of kSuitePrefillRows tokens and one step of decoding at an empty context.
  CellClock(const CellModel& model, double prefill_seconds, double step_seconds);
  // A longer prefill tells what attention costs.
  void learn_prefill(int32_t n_prompt, double seconds);

  double prefill_seconds(int32_t n_prompt) const;
  // The first run of a cell; of a deep one with the prefill of its context, of which known_depth
  // tokens are kept from the cell before.
  double first_seconds(const BenchCell& cell, int32_t known_depth) const;
  double again_seconds(const BenchCell& cell) const;

 private:
  CellModel model_;
  double seconds_per_token_;
  double seconds_per_pair_;  // of a token and one that it sees
  double step_seconds_;
};

// How often a cell is measured whose run takes so long: `repeats` times, or once.
int32_t cell_runs(double seconds, int32_t repeats);

// Of the whole plan.
double expected_seconds(const CellPlan& plan, const CellClock& clock, int32_t repeats);

// --quick: what takes longer than kLongCellSeconds goes to left_out.
void leave_out_slow(CellPlan& plan, const CellClock& clock);

}  // namespace jiang
