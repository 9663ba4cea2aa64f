#include "engine/lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jiang {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<TokenId> guess(const std::vector<TokenId>& tokens, int32_t most) {
  std::vector<TokenId> draft;
  look_up(tokens, most, draft);
  return draft;
}

TEST(Lookup, WhatFollowedBeforeIsGuessedAgain) {
  EXPECT_THAT(guess({1, 2, 3, 4, 5, 6, 1, 2, 3}, 2), ElementsAre(4, 5));
  EXPECT_THAT(guess({1, 2, 3, 4, 5, 6, 1, 2, 3}, 100), ElementsAre(4, 5, 6, 1, 2, 3));
}

TEST(Lookup, TwoTokensAreTooFewToGuessFrom) {
  EXPECT_THAT(guess({9, 2, 3, 4, 5, 6, 1, 2, 3}, 4), IsEmpty());
  for (const size_t n : {0, 1, 2, 3}) EXPECT_THAT(guess(std::vector<TokenId>(n, 1), 4), IsEmpty());
}

TEST(Lookup, TheLongestMatchWinsAndThenTheLatest) {
  // ... 0 1 2 3 -> 7, later 1 2 3 -> 8
  EXPECT_THAT(guess({0, 1, 2, 3, 7, 5, 1, 2, 3, 8, 0, 1, 2, 3}, 1), ElementsAre(7));
  EXPECT_THAT(guess({4, 1, 2, 3, 7, 5, 1, 2, 3, 8, 0, 1, 2, 3}, 1), ElementsAre(8));
}

TEST(Lookup, ARunGoesOnAndTheMatchMayOverlapTheEnd) {
  EXPECT_THAT(guess({5, 5, 5, 5}, 3), ElementsAre(5));
  EXPECT_THAT(guess({1, 2, 1, 2, 1, 2}, 5), ElementsAre(1, 2));
}

}  // namespace
}  // namespace jiang
