#include "server/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace jiang {
namespace {

struct Queue {
  explicit Queue(AdmissionOptions options) : admission(std::make_shared<Admission>(options)) {}
  // The place in `tickets`, or -1 when refused.
  int enter(const std::string& account) {
    const auto n = static_cast<int>(tickets.size());
    auto entry = admission->enter(account, [this, n] { granted.push_back(n); });
    if (entry.refusal) {
      refusal = entry.refusal;
      return -1;
    }
    tickets.push_back(std::move(entry.ticket));
    return n;
  }
  void leave(int n) { tickets[static_cast<size_t>(n)].reset(); }

  std::vector<int> granted;
  std::optional<ApiError> refusal;
  std::shared_ptr<Admission> admission;
  std::vector<std::shared_ptr<Admission::Ticket>> tickets;  // going, they may grant others
};

TEST(Admission, GrantsSlotsInOrderAndThenAsTheyBecomeFree) {
  Queue q({.slots = 2, .reserve = 0});
  for (int i = 0; i < 4; ++i) q.enter("a");
  EXPECT_EQ(q.granted, (std::vector<int>{0, 1}));
  EXPECT_EQ(q.tickets[2]->position(), 1);
  EXPECT_EQ(q.tickets[3]->position(), 2);
  EXPECT_EQ(q.tickets[0]->position(), 0);
  q.leave(1);
  EXPECT_EQ(q.granted, (std::vector<int>{0, 1, 2}));
  q.leave(3);  // while it waits
  q.leave(0);
  EXPECT_EQ(q.granted.size(), 3u);
  EXPECT_EQ(q.admission->n_waiting(), 0);
  EXPECT_EQ(q.admission->n_running(), 1);
}

TEST(Admission, OneAccountLeavesTheReserveToOthers) {
  Queue q({.slots = 3, .reserve = 1});
  for (int i = 0; i < 6; ++i) q.enter("heavy");
  EXPECT_EQ(q.granted.size(), 3u);
  const int light = q.enter("light");
  EXPECT_EQ(q.granted.back(), light) << "at once, beside a queue of three";
}

TEST(Admission, TheAccountWithFewestSlotsAndTokensIsNext) {
  Queue q({.slots = 2, .reserve = 0});
  q.enter("heavy");
  q.enter("heavy");
  q.enter("heavy");
  const int light = q.enter("light");
  q.leave(0);
  EXPECT_EQ(q.granted.back(), light);
  // Now each has one; the tokens decide.
  q.tickets[1]->charge(1000);
  const int heavy = 2;
  const int light_again = q.enter("light");
  q.leave(light);
  q.leave(1);
  EXPECT_EQ(q.granted.size(), 5u);
  EXPECT_EQ(q.granted[3], light_again);
  EXPECT_EQ(q.granted[4], heavy);
}

TEST(Admission, RefusesWithAWaitThatCanBeKept) {
  Queue q({.slots = 1, .reserve = 0, .max_waiting = 3, .max_waiting_per_account = 2});
  for (int i = 0; i < 3; ++i) EXPECT_GE(q.enter("a"), 0);
  EXPECT_EQ(q.enter("a"), -1);
  EXPECT_EQ(q.refusal->status, 429);
  EXPECT_GT(q.refusal->retry_after, 0);
  EXPECT_GE(q.enter("b"), 0);
  EXPECT_EQ(q.enter("c"), -1);
  EXPECT_EQ(q.refusal->status, 503);
  EXPECT_GT(q.refusal->retry_after, 0);
}

TEST(Admission, AStormOfComingAndGoingLeavesNothing) {
  Queue q({.slots = 4, .reserve = 1, .max_waiting = 1000, .max_waiting_per_account = 1000});
  uint32_t random = 1;
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525 + 1013904223;
    if (q.tickets.empty() || random % 3 != 0) {
      q.enter(std::string(1, static_cast<char>('a' + random / 8 % 5)));
    } else {
      q.tickets.erase(q.tickets.begin() +
                      static_cast<std::ptrdiff_t>(random / 16 % q.tickets.size()));
    }
  }
  q.tickets.clear();
  EXPECT_EQ(q.admission->n_waiting(), 0);
  EXPECT_EQ(q.admission->n_running(), 0);
}

}  // namespace
}  // namespace jiang
