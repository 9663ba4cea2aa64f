// Admission: who may generate now, who waits, who is refused. One for each model.
//
// The queue is fair among accounts, not first in, first out: a free slot goes to the account with
// the fewest answers under way, and among equals to the one that has had the fewest tokens. One
// account alone gets `slots`; `reserve` further ones are kept for others, so that a light user
// never waits for a heavy one's answers to end.
//
// Thread-safe; callbacks run without the lock, on the thread that made room.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "server/errors.h"

namespace jiang {

struct AdmissionOptions {
  int32_t slots = 8;
  int32_t reserve = 2;
  int32_t max_waiting = 64;              // of all accounts
  int32_t max_waiting_per_account = 48;  // 429 beyond; beyond max_waiting, 503
};

class Admission : public std::enable_shared_from_this<Admission> {
 public:
  explicit Admission(AdmissionOptions options) : options_(options) {}

  // A place: waiting, then one of the slots. Letting go of it frees it.
  class Ticket {
   public:
    Ticket(std::shared_ptr<Admission> owner, std::string account)
        : owner_(std::move(owner)), account_(std::move(account)) {}
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    int32_t position() const;  // 0: has a slot; n: the n-th in the queue, about
    // When it got its slot, its account had no other answer under way.
    bool is_only_one() const { return is_only_one_; }
    // What the account has used: its prompt's tokens that were computed, and its answer's.
    void charge(int64_t tokens);

   private:
    friend class Admission;
    const std::shared_ptr<Admission> owner_;
    const std::string account_;
    std::function<void()> on_slot_;
    bool has_slot_ = false;
    bool is_only_one_ = false;
    bool has_entered_ = false;
    double started_ = 0;  // when it got its slot, seconds
  };

  // `on_slot` is called at most once, perhaps before this returns, when there is a slot; not after
  // the ticket is gone, unless it is on its way already.
  struct Entry {
    std::shared_ptr<Ticket> ticket;  // null: refused
    std::optional<ApiError> refusal = {};
  };
  Entry enter(std::string account, std::function<void()> on_slot);
  // What somebody is told beside whom so many wait; nothing: there is room.
  static std::optional<ApiError> refusal(const AdmissionOptions& options, int32_t n_waiting,
                                         int32_t n_of_account, int retry_after);

  int32_t n_waiting() const;
  int32_t n_waiting(const std::string& account) const;
  int32_t n_running() const;
  // Seconds until somebody who came now would have a slot, about.
  int retry_after() const;

 private:
  struct Account {
    int32_t n_running = 0;
    int32_t n_waiting = 0;
    double tokens = 0;  // served; forgotten by and by
  };
  void leave(Ticket& ticket);
  void grant() noexcept;
  std::function<void()> grant_one();  // what the one who gets a slot waits for; empty: nobody does
  int seconds_to_wait() const;        // with the lock

  const AdmissionOptions options_;
  mutable std::mutex mutex_;
  std::map<std::string, Account> accounts_;
  std::deque<Ticket*> waiting_;  // the oldest first
  int32_t n_running_ = 0;
  double seconds_per_answer_ = 1;  // a slot's, smoothed
  double halved_at_ = 0;
};

}  // namespace jiang
