#include "cli/bench_cells.h"

#include <algorithm>
#include <cmath>

namespace jiang {
namespace {

constexpr int32_t kPrefillSizes[] = {128, 512, 2048, 8192};
constexpr int32_t kBatchSizes[] = {1, 2, 4, 8, 16};
constexpr int32_t kContextSizes[] = {2048, 8192, 32768};
constexpr int32_t kOneThreadPrompt = 512;

// Attention of a prefill in f32, beside the matmuls' dot products of 8 bits: a guess until a long
// prefill has been measured.
constexpr double kAttentionSlowness = 4;

double pairs_of(int32_t n_prompt) {
  return static_cast<double>(n_prompt) * (static_cast<double>(n_prompt) + 1) / 2;
}

std::string answers(int32_t batch) {
  return batch == 1 ? std::string("1 answer") : fmt::format("{} answers", batch);
}

}  // namespace

int32_t BenchCell::context() const {
  return kind == CellKind::prefill ? tokens + 1 : depth + tokens + 1;
}

std::string BenchCell::name() const {
  switch (group) {
    case CellGroup::prefill:
      return fmt::format("prefill of {} tokens", tokens);
    case CellGroup::one_thread:
      return fmt::format("prefill of {} tokens on 1 thread", tokens);
    case CellGroup::together:
      return fmt::format("decode of {} at an empty context", answers(batch));
    case CellGroup::depth:
      return fmt::format("decode at a context of {}", context());
  }
  return {};
}

CellPlan plan_cells(const CellModel& model) {
  std::vector<BenchCell> wanted;
  for (const int32_t n : kPrefillSizes) wanted.push_back({.tokens = n});
  for (const int32_t batch : kBatchSizes) {
    wanted.push_back({.group = CellGroup::together,
                      .kind = CellKind::decode,
                      .tokens = kSuiteDecodeTokens,
                      .batch = batch});
  }
  for (const int32_t context : kContextSizes) {
    // The last decoded token fills the context, so that a model trained for 8192 has a figure.
    wanted.push_back({.group = CellGroup::depth,
                      .kind = CellKind::decode,
                      .tokens = kSuiteDecodeTokens,
                      .depth = context - kSuiteDecodeTokens - 1});
  }
  wanted.push_back({.group = CellGroup::one_thread, .tokens = kOneThreadPrompt});

  CellPlan plan;
  for (const BenchCell& cell : wanted) {
    if (cell.context() > model.context) {
      plan.left_out.push_back(
          {cell.name(), fmt::format("it needs a context of {}, the model was trained for {}",
                                    cell.context(), model.context)});
    } else if (cell.group == CellGroup::one_thread && model.threads == 1) {
      plan.left_out.push_back({cell.name(), "the whole run has 1 thread"});
    } else {
      plan.cells.push_back(cell);
    }
  }
  return plan;
}

CellClock::CellClock(const CellModel& model, double prefill_seconds, double step_seconds)
    : model_(model), step_seconds_(step_seconds) {
  const MacCount& macs = model.costs.macs;
  const double n = kSuitePrefillRows;
  // In units of the time of one multiply-accumulate of a matmul.
  const double matmul = n * static_cast<double>(macs.per_token);
  const double pair = kAttentionSlowness * static_cast<double>(macs.attention_per_pair);
  const double unit = prefill_seconds / (matmul + pairs_of(kSuitePrefillRows) * pair);
  seconds_per_token_ = unit * static_cast<double>(macs.per_token);
  seconds_per_pair_ = unit * pair;
}

void CellClock::learn_prefill(int32_t n_prompt, double seconds) {
  // With the 512 tokens that are known: two equations.
  const double rows = kSuitePrefillRows;
  if (n_prompt <= 2 * kSuitePrefillRows) return;  // too close to tell them apart
  const double first = prefill_seconds(kSuitePrefillRows);
  const double pairs = pairs_of(kSuitePrefillRows);
  const double per_pair =
      (seconds - first * n_prompt / rows) / (pairs_of(n_prompt) - pairs * n_prompt / rows);
  seconds_per_pair_ = std::clamp(per_pair, 0.0, first / pairs);
  seconds_per_token_ = (first - seconds_per_pair_ * pairs) / rows;
}

double CellClock::prefill_seconds(int32_t n_prompt) const {
  return seconds_per_token_ * n_prompt + seconds_per_pair_ * pairs_of(n_prompt);
}

double CellClock::again_seconds(const BenchCell& cell) const {
  if (cell.group == CellGroup::one_thread) return prefill_seconds(cell.tokens) * model_.threads;
  if (cell.kind == CellKind::prefill) return prefill_seconds(cell.tokens);
  // One more answer costs at most what one more row of a prefill costs, a context its bytes.
  const double weights = std::max(model_.costs.weight_bytes, 1.0);
  const double step = step_seconds_ * (1 + model_.costs.kv_bytes * cell.depth / weights) +
                      seconds_per_token_ * (cell.batch - 1);
  return step * (cell.tokens + 1);
}

double CellClock::first_seconds(const BenchCell& cell, int32_t known_depth) const {
  const double prefill = cell.kind == CellKind::decode && cell.depth > 1
                             ? prefill_seconds(cell.depth) - prefill_seconds(known_depth)
                             : 0;
  return prefill + again_seconds(cell);
}

int32_t cell_runs(double seconds, int32_t repeats) {
  return seconds > kLongCellSeconds ? 1 : repeats;
}

double expected_seconds(const CellPlan& plan, const CellClock& clock, int32_t repeats) {
  double sum = 0;
  int32_t known_depth = 0;
  for (const BenchCell& cell : plan.cells) {
    const double again = clock.again_seconds(cell);
    sum += clock.first_seconds(cell, known_depth) + (cell_runs(again, repeats) - 1) * again;
    if (cell.group == CellGroup::depth) known_depth = cell.depth;
  }
  return sum;
}

void leave_out_slow(CellPlan& plan, const CellClock& clock) {
  std::vector<BenchCell> quick;
  int32_t known_depth = 0;
  for (const BenchCell& cell : plan.cells) {
    const double seconds = clock.first_seconds(cell, known_depth);
    if (seconds > kLongCellSeconds) {
      plan.left_out.push_back(
          {cell.name(), fmt::format("--quick, and it takes about {:.0f} s", seconds)});
      continue;
    }
    if (cell.group == CellGroup::depth) known_depth = cell.depth;
    quick.push_back(cell);
  }
  plan.cells = std::move(quick);
}

}  // namespace jiang
