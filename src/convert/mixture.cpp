#include "convert/mixture.h"

#include <algorithm>
#include <numeric>

namespace jiang {
namespace {

// The choices on the lower convex hull of cost over bytes, by bytes: from each to the next, the
// cost falls by less and less for a byte.
std::vector<size_t> hull(const std::vector<MixtureChoice>& choices) {
  std::vector<size_t> order(choices.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (choices[a].bytes != choices[b].bytes) return choices[a].bytes < choices[b].bytes;
    return choices[a].cost < choices[b].cost;
  });
  const auto gain = [&](size_t from, size_t to) {
    return (choices[from].cost - choices[to].cost) /
           static_cast<double>(choices[to].bytes - choices[from].bytes);
  };
  std::vector<size_t> kept;
  for (const size_t next : order) {
    if (!kept.empty() && choices[next].cost >= choices[kept.back()].cost) continue;
    if (!kept.empty() && choices[next].bytes == choices[kept.back()].bytes) continue;
    while (kept.size() >= 2 &&
           gain(kept[kept.size() - 2], kept.back()) <= gain(kept.back(), next)) {
      kept.pop_back();
    }
    kept.push_back(next);
  }
  return kept;
}

}  // namespace

std::vector<Format> mixture_formats(int64_t cols) {
  std::vector<Format> formats;
  for (const Format format :
       {Format::q2_k, Format::q3_k, Format::iq4_xs, Format::iq4_nl, Format::q4_k, Format::q5_0,
        Format::q5_k, Format::q5_1, Format::q6_k, Format::q8_0}) {
    const bool is_super = weight_format(format).block_size == 256;
    const bool has_super = cols % 256 == 0;
    if (is_super != has_super && format != Format::q8_0) continue;  // a stand-in, or none needed
    if (cols % weight_format(format).block_size == 0) formats.push_back(format);
  }
  return formats;
}

std::optional<std::vector<size_t>> choose_mixture(
    std::span<const std::vector<MixtureChoice>> matrices, uint64_t budget_bytes) {
  struct Ladder {
    std::vector<size_t> steps;
    size_t at = 0;
    bool is_done = false;
  };
  std::vector<Ladder> ladders;
  uint64_t bytes = 0;
  for (const auto& choices : matrices) {
    ladders.push_back({hull(choices)});
    bytes += choices[ladders.back().steps.front()].bytes;
  }
  if (bytes > budget_bytes) return std::nullopt;
  while (true) {
    size_t best = matrices.size();
    double best_gain = 0;
    for (size_t i = 0; i < matrices.size(); ++i) {
      Ladder& ladder = ladders[i];
      if (ladder.is_done || ladder.at + 1 == ladder.steps.size()) continue;
      const MixtureChoice& now = matrices[i][ladder.steps[ladder.at]];
      const MixtureChoice& next = matrices[i][ladder.steps[ladder.at + 1]];
      const double gain = (now.cost - next.cost) / static_cast<double>(next.bytes - now.bytes);
      if (gain > best_gain) {
        best_gain = gain;
        best = i;
      }
    }
    if (best == matrices.size()) break;
    Ladder& ladder = ladders[best];
    const uint64_t more = matrices[best][ladder.steps[ladder.at + 1]].bytes -
                          matrices[best][ladder.steps[ladder.at]].bytes;
    if (bytes + more > budget_bytes) {
      ladder.is_done = true;
      continue;
    }
    bytes += more;
    ++ladder.at;
  }
  std::vector<size_t> chosen;
  for (const Ladder& ladder : ladders) chosen.push_back(ladder.steps[ladder.at]);
  return chosen;
}

}  // namespace jiang
