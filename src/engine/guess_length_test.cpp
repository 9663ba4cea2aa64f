#include "engine/guess_length.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

TEST(GuessLength, GrowsWhileRightAndPausesLongerEachTimeItIsWrong) {
  GuessLength length({});
  EXPECT_EQ(length.next(), 3);
  length.record(3, 3);
  EXPECT_EQ(length.next(), GuessLength::kMost);
  length.record(7, 2);
  EXPECT_EQ(length.next(), 3);
  int32_t last_pause = 0;
  for (int round = 0; round < 8; ++round) {
    length.record(3, 0);
    int32_t pause = 0;
    while (length.next() == 0) ++pause;
    EXPECT_TRUE(pause > last_pause || pause == 64) << pause;
    last_pause = pause;
  }
  length.record(2, 0);
  length.record(0, 0);  // nothing was found: says nothing
  int32_t pause = 0;
  while (length.next() == 0) ++pause;
  EXPECT_EQ(pause, 64);
}

TEST(GuessLength, WhatCostsMoreThanItGainsIsPausedEvenIfSomeIsRight) {
  // Half a step a guess: of two, one is right.
  const auto guesses_of_1000 = [](int32_t n_right_of_two) {
    GuessLength length({.of_guess = 0.6, .credit = 2});
    int n = 0;
    for (int step = 0; step < 1000; ++step) {
      if (length.next() == 0) continue;
      length.record(2, n_right_of_two);
      ++n;
    }
    return n;
  };
  EXPECT_EQ(guesses_of_1000(2), 1000);
  EXPECT_LT(guesses_of_1000(1), 50);
  EXPECT_LT(guesses_of_1000(0), 30);
}

TEST(GuessLength, CreditCarriesOverAFewWrongOnes) {
  GuessLength length({.of_guess = 0.25, .credit = 2});
  for (int i = 0; i < 2; ++i) {
    length.record(4, 0);
    EXPECT_EQ(length.next(), 1) << "no pause";
  }
  length.record(1, 0);
  EXPECT_EQ(length.next(), 0);
}

TEST(GuessLength, ATextBeginsHalfAsWaryAsTheLastOneEnded) {
  GuessLength bad({});
  EXPECT_EQ(bad.of_next_text().next(), 3);
  for (int i = 0; i < 10; ++i) bad.record(3, 0);  // pauses of 64
  GuessLength next = bad.of_next_text();
  EXPECT_EQ(next.next(), 3) << "it tries";
  next.record(3, 0);
  int32_t pause = 0;
  while (next.next() == 0) ++pause;
  EXPECT_EQ(pause, 16);
}

}  // namespace
}  // namespace jiang
