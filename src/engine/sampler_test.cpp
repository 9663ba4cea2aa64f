#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace jiang {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<TokenId> ids(std::span<const Candidate> candidates) {
  std::vector<TokenId> ids;
  for (const Candidate& candidate : candidates) ids.push_back(candidate.id);
  return ids;
}

std::vector<float> random_logits(size_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> logits(n);
  for (float& logit : logits) logit = static_cast<float>(random.uniform() * 16 - 8);
  return logits;
}

TEST(Random, DependsOnTheSeedAlone) {
  Random a(1);
  Random b(1);
  Random c(2);
  int n_equal = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    n_equal += value == c.next() ? 1 : 0;
  }
  EXPECT_EQ(n_equal, 0);
}

TEST(Random, UniformFillsTheUnitInterval) {
  Random random(42);
  std::vector<int> bins(16);
  for (int i = 0; i < 16000; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++bins[static_cast<size_t>(u * 16)];
  }
  // Each bin is binomial: 1000 expected, standard deviation 30.6; six of them.
  for (const int bin : bins) EXPECT_NEAR(bin, 1000, 184);
}

TEST(Sampling, BiasIsAddedToItsTokenOnly) {
  std::vector<float> logits = {1, 2, 3};
  const std::vector<std::pair<TokenId, float>> bias = {{1, -5.0f}, {2, 0.5f}};
  sampling::add_bias(logits, bias);
  EXPECT_THAT(logits, ElementsAre(1, -3, 3.5f));
}

TEST(Sampling, RepeatPenaltyMovesEachSeenTokenTowardsLessOnce) {
  std::vector<float> logits = {4, -4, 4, 0};
  std::vector<TokenId> window = {1, 0, 1, 0, 0};
  sampling::penalise(logits, window, {.repeat_penalty = 2});
  EXPECT_THAT(logits, ElementsAre(2, -8, 4, 0));
}

TEST(Sampling, PresenceCountsOnceAndFrequencyEachTime) {
  std::vector<float> logits = {4, 4, 4};
  std::vector<TokenId> window = {1, 0, 1};
  sampling::penalise(logits, window, {.presence_penalty = 1, .frequency_penalty = 0.25f});
  EXPECT_THAT(logits, ElementsAre(2.75f, 2.5f, 4));
}

TEST(Sampling, GreedyTakesTheLowestIdOfEquals) {
  EXPECT_EQ(sampling::greedy(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(sampling::greedy(std::vector<float>{-kInf, -kInf}), kNoToken);
  // The largest at every place of every length that has whole blocks or a rest, and equals after
  // it.
  for (const size_t n : {1u, 15u, 16u, 255u, 256u, 257u, 512u, 700u}) {
    std::vector<float> logits(n, -kInf);
    EXPECT_EQ(sampling::greedy(logits), kNoToken) << n;
    for (size_t i = n; i-- > 0;) {
      logits[i] = -5;
      EXPECT_EQ(sampling::greedy(logits), static_cast<TokenId>(i)) << n;
    }
  }
}

TEST(Sampling, TopKEqualsTheFirstKOfAFullSort) {
  for (const size_t n : {1u, 2u, 7u, 100u, 5000u}) {
    std::vector<float> logits = random_logits(n, n);
    for (size_t i = 0; i < n; i += 3) logits[i] = std::round(logits[i]);  // ties
    std::vector<Candidate> sorted;
    for (size_t i = 0; i < n; ++i) sorted.push_back({static_cast<TokenId>(i), logits[i]});
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.logit > b.logit; });
    for (const int32_t k : {1, 2, 5, 40, 4999, 6000}) {
      std::vector<Candidate> best;
      sampling::top_k(logits, k, best);
      std::vector<TokenId> expected = ids(sorted);
      expected.resize(std::min(n, static_cast<size_t>(k)));
      EXPECT_EQ(ids(best), expected) << "n " << n << " k " << k;
    }
  }
}

TEST(Sampling, TopKLeavesTheImpossibleOut) {
  std::vector<Candidate> best;
  sampling::top_k(std::vector<float>{-kInf, 1, -kInf, 2}, 3, best);
  EXPECT_THAT(ids(best), ElementsAre(3, 1));
  sampling::top_k(std::vector<float>{-kInf, 1, -kInf, 2}, 0, best);
  EXPECT_THAT(ids(best), ElementsAre(1, 3));
}

TEST(Sampling, TemperWeighsTheBestWithOne) {
  std::vector<Candidate> candidates = {{0, 2}, {1, 0}};
  sampling::temper(candidates, 0.5f);
  EXPECT_EQ(candidates[0].weight, 1);
  EXPECT_NEAR(candidates[1].weight, std::exp(-4.0), 1e-8);
}

TEST(Sampling, ExtremeTemperaturesGiveNumbers) {
  for (const float temperature :
       {std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max()}) {
    std::vector<Candidate> candidates = {{0, 1e30f}, {1, -1e30f}, {2, 1e30f}};
    sampling::temper(candidates, temperature);
    for (const Candidate& candidate : candidates) {
      EXPECT_GE(candidate.weight, 0);
      EXPECT_LE(candidate.weight, 1);
    }
    EXPECT_EQ(candidates[2].weight, 1);
  }
}

TEST(Sampling, TopPKeepsTheFewestThatHoldTheMass) {
  // Probabilities 0.5, 0.3, 0.2 in another order.
  const std::vector<Candidate> all = {
      {0, std::log(0.2f)}, {1, std::log(0.5f)}, {2, std::log(0.3f)}};
  const auto kept = [&](float p) {
    std::vector<Candidate> candidates = all;
    sampling::temper(candidates, 1);
    sampling::top_p(candidates, p);
    return ids(candidates);
  };
  EXPECT_THAT(kept(0), ElementsAre(1));
  EXPECT_THAT(kept(0.49f), ElementsAre(1));
  EXPECT_THAT(kept(0.51f), ElementsAre(1, 2));
  EXPECT_THAT(kept(0.79f), ElementsAre(1, 2));
  EXPECT_THAT(kept(0.81f), ElementsAre(1, 2, 0));
}

TEST(Sampling, TopPOverManyEqualsASort) {
  std::vector<Candidate> candidates;
  sampling::top_k(random_logits(20000, 9), 0, candidates);
  std::vector<Candidate> sorted = candidates;
  sampling::temper(candidates, 3);
  sampling::temper(sorted, 3);
  sampling::top_p(candidates, 0.9f);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.logit > b.logit; });
  double total = 0;
  for (const Candidate& candidate : sorted) total += candidate.weight;
  double held = 0;
  size_t n = 0;
  while (held < 0.9 * total) held += sorted[n++].weight;
  // The order of summing differs: one more or less at the border.
  EXPECT_NEAR(static_cast<double>(candidates.size()), static_cast<double>(n), 1);
  EXPECT_EQ(candidates.front().id, sorted.front().id);
}

TEST(Sampling, MinPIsRelativeToTheBest) {
  std::vector<Candidate> candidates = {
      {0, std::log(0.6f)}, {1, std::log(0.05f)}, {2, std::log(0.35f)}};
  sampling::temper(candidates, 1);
  sampling::min_p(candidates, 0.1f);
  EXPECT_THAT(ids(candidates), ElementsAre(0, 2));
  sampling::min_p(candidates, 1);
  EXPECT_THAT(ids(candidates), ElementsAre(0));
}

TEST(Sampling, LogSumExpSurvivesLargeLogits) {
  EXPECT_NEAR(sampling::log_sum_exp(std::vector<float>{10000, 10000}), 10000 + std::log(2.0), 1e-9);
  EXPECT_NEAR(sampling::log_sum_exp(std::vector<float>{0, -kInf}), 0, 1e-12);
}

TEST(Sampling, AllFiniteSeesNanAndBothInfinities) {
  EXPECT_TRUE(
      sampling::all_finite(std::vector<float>{0, -1, std::numeric_limits<float>::max(), 1e-45f}));
  EXPECT_FALSE(sampling::all_finite(std::vector<float>{0, std::nanf("")}));
  EXPECT_FALSE(sampling::all_finite(std::vector<float>{kInf, 0}));
  EXPECT_FALSE(sampling::all_finite(std::vector<float>{-kInf, 0}));
  for (size_t i = 0; i < 40; ++i) {
    std::vector<float> logits(40, 1.5f);
    EXPECT_TRUE(sampling::all_finite(logits));
    logits[i] = i % 2 == 0 ? kInf : std::nanf("");
    EXPECT_FALSE(sampling::all_finite(logits)) << i;
  }
}

std::map<TokenId, int> frequencies(const SamplingParams& params, const std::vector<float>& logits,
                                   int n) {
  Sampler sampler(params, 7);
  std::map<TokenId, int> counts;
  std::vector<float> scratch;
  for (int i = 0; i < n; ++i) {
    scratch = logits;
    ++counts[sampler.sample(scratch, {})];
  }
  return counts;
}

TEST(Sampler, DrawsWithTheModelsProbabilities) {
  const std::vector<double> probabilities = {0.4, 0.3, 0.2, 0.05, 0.05};
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)) + 3);
  const int n = 20000;
  const auto counts =
      frequencies({.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0}, logits, n);
  double chi_squared = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const double expected = probabilities[i] * n;
    const auto found = counts.find(static_cast<TokenId>(i));
    const double difference = (found == counts.end() ? 0 : found->second) - expected;
    chi_squared += difference * difference / expected;
  }
  // 4 degrees of freedom: P(chi^2 > 33) is 1.2e-6, and the seed is fixed.
  EXPECT_LT(chi_squared, 33);
}

TEST(Sampler, TemperatureSharpensAsItShould) {
  // p = 2/3, 1/3 at temperature 1 are 4/5, 1/5 at temperature 1/2.
  const std::vector<float> logits = {std::log(2.0f), 0};
  const auto counts =
      frequencies({.temperature = 0.5f, .top_k = 0, .top_p = 1, .min_p = 0}, logits, 10000);
  EXPECT_NEAR(counts.at(0), 8000, 6 * 40);  // six standard deviations
}

TEST(Sampler, TheDefaultsNeverDrawWhatTheyCut) {
  const std::vector<float> logits = random_logits(2000, 3);
  SamplingParams params;
  params.temperature = 2;
  params.top_k = 5;
  std::vector<Candidate> best;
  sampling::top_k(logits, 5, best);
  for (const auto& [id, n] : frequencies(params, logits, 500)) {
    EXPECT_TRUE(std::any_of(best.begin(), best.end(), [id = id](const auto& c) {
      return c.id == id;
    })) << id;
  }
}

TEST(Sampler, SameSeedSameTokens) {
  const std::vector<float> logits = random_logits(500, 5);
  EXPECT_EQ(frequencies({}, logits, 300), frequencies({}, logits, 300));
}

TEST(Sampler, TopKOfTheWholeVocabularyDrawsWhatNoTopKDraws) {
  const std::vector<float> logits = random_logits(50, 5);
  SamplingParams all;
  all.top_k = 50;
  SamplingParams off;
  off.top_k = 0;
  EXPECT_EQ(frequencies(all, logits, 300), frequencies(off, logits, 300));
}

TEST(Sampler, PenaltiesSeeOnlyTheWindow) {
  SamplingParams params{.repeat_penalty = 10, .penalty_window = 2, .temperature = 0};
  const std::vector<TokenId> history = {0, 1, 1};
  Sampler sampler(params, 0);
  std::vector<float> logits = {3, 4, 1};
  EXPECT_EQ(sampler.sample(logits, history), 0) << "token 0 left the window";
  params.penalty_window = -1;
  Sampler all(params, 0);
  logits = {3, 4, 1};
  EXPECT_EQ(all.sample(logits, history), 2);
  params.penalty_window = 0;
  Sampler none(params, 0);
  logits = {3, 4, 1};
  EXPECT_EQ(none.sample(logits, history), 1);
}

TEST(Sampler, NothingAllowedIsNoToken) {
  std::vector<float> logits(10, -kInf);
  Sampler drawing({}, 0);
  EXPECT_EQ(drawing.sample(logits, {}), kNoToken);
  Sampler greedy({.temperature = 0}, 0);
  EXPECT_EQ(greedy.sample(logits, {}), kNoToken);
}

TEST(Sampler, EveryParameterHasItsRange) {
  const auto error = [](const SamplingParams& params) {
    const Status status = check_sampling(params, 10);
    return status ? std::string("accepted") : status.error().message;
  };
  EXPECT_EQ(error({}), "accepted");
  EXPECT_THAT(error({.temperature = -1}), HasSubstr("temperature is -1"));
  EXPECT_THAT(error({.temperature = std::nanf("")}), HasSubstr("temperature"));
  EXPECT_THAT(error({.temperature = kInf}), HasSubstr("temperature"));
  EXPECT_THAT(error({.top_k = -1}), HasSubstr("top_k"));
  EXPECT_THAT(error({.top_p = 1.5f}), HasSubstr("top_p"));
  EXPECT_THAT(error({.top_p = std::nanf("")}), HasSubstr("top_p"));
  EXPECT_THAT(error({.min_p = -0.1f}), HasSubstr("min_p"));
  EXPECT_THAT(error({.repeat_penalty = 0}), HasSubstr("repeat_penalty"));
  EXPECT_THAT(error({.presence_penalty = kInf}), HasSubstr("presence_penalty"));
  EXPECT_THAT(error({.frequency_penalty = 1e9f}), HasSubstr("frequency_penalty"));
  EXPECT_THAT(error({.penalty_window = -2}), HasSubstr("penalty_window"));
  EXPECT_THAT(error({.logit_bias = {{10, 1.0f}}}), HasSubstr("token id 10"));
  EXPECT_THAT(error({.logit_bias = {{-1, 1.0f}}}), HasSubstr("token id -1"));
  EXPECT_THAT(error({.logit_bias = {{1, kInf}}}), HasSubstr("logit_bias of token 1"));
}

}  // namespace
}  // namespace jiang
