#include "model/kv_cache.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

constexpr KvCacheShape kShape{.n_layers = 2, .n_kv_heads = 1, .head_dim = 4, .type = KvType::f32};

std::unique_ptr<KvCache> make_cache(int64_t n_blocks) {
  return *KvCache::create(kShape, n_blocks * kKvBlockTokens);
}

// The first float of a block in a layer: enough to tell blocks apart.
float& mark_of(KvCache& cache, StateId state, size_t block, int layer) {
  const auto offset = static_cast<size_t>(cache.blocks(state)[block]) * 2 * kKvBlockTokens * 4;
  return reinterpret_cast<float*>(cache.layer(layer).data)[offset];
}

TEST(KvCache, ReserveTakesWholeBlocksAndFreeReturnsThem) {
  const auto cache = make_cache(4);
  const StateId state = cache->create();
  EXPECT_EQ(cache->tokens_to_reserve(state, 33), 2 * kKvBlockTokens);
  EXPECT_TRUE(cache->reserve(state, 33));
  EXPECT_EQ(cache->free_tokens(), 2 * kKvBlockTokens);
  EXPECT_EQ(cache->tokens_to_reserve(state, 1), 0);
  EXPECT_EQ(cache->tokens_to_reserve(state, 65), kKvBlockTokens);
  EXPECT_EQ(KvCache::whole_blocks(64), 64);
  EXPECT_EQ(KvCache::whole_blocks(65), 96);
  EXPECT_TRUE(cache->reserve(state, 64));
  EXPECT_EQ(cache->free_tokens(), 2 * kKvBlockTokens);
  cache->free(state);
  EXPECT_EQ(cache->free_tokens(), cache->capacity_tokens());
}

TEST(KvCache, ReserveThatDoesNotFitChangesNothing) {
  const auto cache = make_cache(2);
  const StateId state = cache->create();
  EXPECT_FALSE(cache->reserve(state, 65));
  EXPECT_EQ(cache->free_tokens(), 64);
  EXPECT_TRUE(cache->reserve(state, 64));
}

TEST(KvCache, CapacityIsRoundedUpToWholeBlocks) {
  const auto cache = *KvCache::create(kShape, 33);
  EXPECT_EQ(cache->capacity_tokens(), 64);
  EXPECT_EQ(cache->bytes(), 64 * kShape.bytes_per_token());
}

TEST(KvCache, ForkSharesWholeBlocksAndCopiesThePart) {
  const auto cache = make_cache(8);
  const StateId parent = cache->create();
  ASSERT_TRUE(cache->reserve(parent, 80));
  cache->set_length(parent, 80);
  mark_of(*cache, parent, 2, 1) = 7;
  const StateId child = cache->fork(parent, 70);
  EXPECT_EQ(cache->length(child), 70);
  EXPECT_EQ(cache->blocks(child)[0], cache->blocks(parent)[0]);
  EXPECT_EQ(cache->blocks(child)[1], cache->blocks(parent)[1]);
  EXPECT_NE(cache->blocks(child)[2], cache->blocks(parent)[2]);
  EXPECT_EQ(mark_of(*cache, child, 2, 1), 7);
  EXPECT_EQ(cache->free_tokens(), 4 * kKvBlockTokens);
}

TEST(KvCache, BlocksLiveAsLongAsSomeoneHoldsThem) {
  const auto cache = make_cache(2);
  const StateId parent = cache->create();
  ASSERT_TRUE(cache->reserve(parent, 64));
  cache->set_length(parent, 64);
  mark_of(*cache, parent, 1, 0) = 3;
  const StateId child = cache->fork(parent, 64);
  cache->free(parent);
  EXPECT_EQ(cache->free_tokens(), 0);
  EXPECT_EQ(mark_of(*cache, child, 1, 0), 3);
  cache->free(child);
  EXPECT_EQ(cache->free_tokens(), 64);
}

TEST(KvCache, WritingToASharedBlockCopiesItFirst) {
  const auto cache = make_cache(4);
  const StateId parent = cache->create();
  ASSERT_TRUE(cache->reserve(parent, 64));
  cache->set_length(parent, 64);
  mark_of(*cache, parent, 1, 0) = 3;
  const StateId child = cache->fork(parent, 64);
  cache->trim(child, 40);  // its next token goes into the second block, which is the parent's too
  ASSERT_TRUE(cache->reserve(child, 41));
  EXPECT_NE(cache->blocks(child)[1], cache->blocks(parent)[1]);
  EXPECT_EQ(cache->blocks(child)[0], cache->blocks(parent)[0]);
  EXPECT_EQ(mark_of(*cache, child, 1, 0), 3);
}

TEST(KvCache, CopyThatDoesNotFitChangesNothing) {
  const auto cache = make_cache(2);
  const StateId parent = cache->create();
  ASSERT_TRUE(cache->reserve(parent, 64));
  cache->set_length(parent, 64);
  const StateId child = cache->fork(parent, 64);
  cache->trim(child, 40);
  EXPECT_FALSE(cache->reserve(child, 41));
  EXPECT_EQ(cache->blocks(child)[1], cache->blocks(parent)[1]);
  EXPECT_EQ(cache->fork(parent, 63), kNoState);  // a part needs a block of its own
  cache->free(parent);
  EXPECT_TRUE(cache->reserve(child, 41));
}

TEST(KvCache, TrimGivesBackWholeBlocks) {
  const auto cache = make_cache(4);
  const StateId state = cache->create();
  ASSERT_TRUE(cache->reserve(state, 128));
  cache->set_length(state, 100);
  cache->trim(state, 33);
  EXPECT_EQ(cache->length(state), 33);
  EXPECT_EQ(cache->free_tokens(), 64);
  cache->trim(state, 0);
  EXPECT_EQ(cache->free_tokens(), 128);
}

TEST(KvCache, IdsOfFreedStatesAreUsedAgainAndStaleOnesAreBugs) {
  const auto cache = make_cache(1);
  const StateId first = cache->create();
  cache->free(first);
  EXPECT_THROW(cache->length(first), BugError);
  EXPECT_EQ(cache->create(), first);
  EXPECT_THROW(cache->length(99), BugError);
  EXPECT_THROW(cache->set_length(first, 1), BugError);  // not reserved
}

}  // namespace
}  // namespace jiang
