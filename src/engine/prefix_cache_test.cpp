#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/fake_model.h"

namespace jiang {
namespace {

std::vector<TokenId> counting(int32_t n, TokenId first = 0) {
  std::vector<TokenId> tokens(static_cast<size_t>(n));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

StateId filled(FakeStatePool& pool, int32_t n) {
  const StateId state = pool.create();
  EXPECT_TRUE(pool.reserve(state, n));
  pool.set_length(state, n);
  return state;
}

TEST(PrefixCache, FindsTheDonorThatSharesMost) {
  FakeStatePool pool(400);
  PrefixCache cache(pool);
  auto a = counting(20);
  auto b = counting(30);
  b[12] = 99;
  const StateId state_a = filled(pool, 20);
  const StateId state_b = filled(pool, 30);
  cache.put(a, state_a);
  cache.put(b, state_b);

  auto hit = cache.find(counting(50));
  EXPECT_EQ(hit.state, state_a);
  EXPECT_EQ(hit.n_tokens, 20);
  b.push_back(7);
  hit = cache.find(b);
  EXPECT_EQ(hit.state, state_b);
  EXPECT_EQ(hit.n_tokens, 30);
  EXPECT_EQ(cache.find(counting(50, 1)).state, kNoState);
}

TEST(PrefixCache, StatesOfOtherAdaptersAreNoHit) {
  FakeStatePool pool(400);
  PrefixCache cache(pool);
  const auto mix = [](float scale) {
    return std::make_shared<AdapterMix>(AdapterMix{{{0, scale}}});
  };
  const StateId plain = filled(pool, 20), half = filled(pool, 20);
  cache.put(counting(20), plain);
  cache.put(counting(20), half, {mix(0.5f)});
  EXPECT_EQ(cache.find(counting(30)).state, plain);
  EXPECT_EQ(cache.find(counting(30), {mix(0.5f)}).state, half);
  EXPECT_EQ(cache.find(counting(30), {mix(1)}).state, kNoState);
}

TEST(PrefixCache, StatesOfAnotherUserAreNoHit) {
  FakeStatePool pool(400);
  PrefixCache cache(pool);
  cache.put(counting(20), filled(pool, 20), {.user = "a"});
  EXPECT_EQ(cache.find(counting(20), {.user = "b"}).state, kNoState);
  EXPECT_EQ(cache.find(counting(20)).state, kNoState);
  EXPECT_EQ(cache.find(counting(20), {.user = "a"}).n_tokens, 20);
}

TEST(PrefixCache, AFloodOfOneUserTakesNothingFromOthers) {
  FakeStatePool pool(4000);
  PrefixCache cache(pool);
  cache.put(counting(20), filled(pool, 20), {.user = "light"});
  for (TokenId i = 1; i <= 200; ++i) {
    cache.put(counting(20, 1000 * i), filled(pool, 20), {.user = "heavy"});
  }
  EXPECT_EQ(cache.find(counting(20), {.user = "light"}).n_tokens, 20);
  EXPECT_EQ(cache.find(counting(20, 1000), {.user = "heavy"}).state, kNoState) << "its oldest";
}

TEST(PrefixCache, TooLittleInCommonIsNoHit) {
  FakeStatePool pool(400);
  PrefixCache cache(pool);
  cache.put(counting(20), filled(pool, 20));
  EXPECT_EQ(cache.find(counting(PrefixCache::kMinShared - 1)).state, kNoState);
  EXPECT_EQ(cache.find(counting(PrefixCache::kMinShared)).n_tokens, PrefixCache::kMinShared);
}

TEST(PrefixCache, ALongerDonorReplacesItsOwnBeginning) {
  FakeStatePool pool(400);
  PrefixCache cache(pool);
  cache.put(counting(20), filled(pool, 20));
  cache.put(counting(40), filled(pool, 40));
  EXPECT_EQ(cache.held_tokens(), 40);
  EXPECT_EQ(pool.n_states(), 1u);
  cache.put(counting(30), filled(pool, 30));  // knows less: not kept
  EXPECT_EQ(cache.held_tokens(), 40);
  EXPECT_EQ(pool.n_states(), 1u);
}

TEST(PrefixCache, EvictsTheLeastRecentlyUsedFirst) {
  FakeStatePool pool(400);
  PrefixCache cache(pool);
  cache.put(counting(20, 0), filled(pool, 20));
  cache.put(counting(20, 100), filled(pool, 20));
  cache.find(counting(20, 0));  // used
  EXPECT_TRUE(cache.evict_one());
  EXPECT_EQ(cache.find(counting(20, 100)).state, kNoState);
  EXPECT_NE(cache.find(counting(20, 0)).state, kNoState);
  EXPECT_TRUE(cache.evict_one());
  EXPECT_FALSE(cache.evict_one());
  EXPECT_EQ(pool.free_tokens(), pool.capacity_tokens());
}

TEST(PrefixCache, HoldsABoundedNumberAndFreesThemAll) {
  FakeStatePool pool(4000);
  {
    PrefixCache cache(pool);
    for (TokenId i = 0; i < 100; ++i) cache.put(counting(20, 1000 * i), filled(pool, 20));
    EXPECT_EQ(pool.n_states(), PrefixCache::kMaxDonors);
    EXPECT_EQ(cache.held_tokens(), static_cast<int64_t>(PrefixCache::kMaxDonors) * 20);
  }
  EXPECT_EQ(pool.n_states(), 0u);
  EXPECT_EQ(pool.free_tokens(), pool.capacity_tokens());
}

}  // namespace
}  // namespace jiang
