#include "server/admission.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace jiang {
namespace {

constexpr double kHalvingSeconds = 60;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Admission::Ticket::~Ticket() { owner_->leave(*this); }

int32_t Admission::Ticket::position() const {
  const std::lock_guard lock(owner_->mutex_);
  if (has_slot_) return 0;
  const auto place = std::find(owner_->waiting_.begin(), owner_->waiting_.end(), this);
  return static_cast<int32_t>(place - owner_->waiting_.begin()) + 1;
}

void Admission::Ticket::charge(int64_t tokens) {
  const std::lock_guard lock(owner_->mutex_);
  // What was served long ago counts less and less.
  const double now = now_seconds();
  if (now - owner_->halved_at_ > kHalvingSeconds) {
    owner_->halved_at_ = now;
    for (auto& [name, account] : owner_->accounts_) account.tokens /= 2;
    std::erase_if(owner_->accounts_, [](const auto& entry) {
      const Account& account = entry.second;
      return account.n_running == 0 && account.n_waiting == 0 && account.tokens < 1;
    });
  }
  owner_->accounts_[account_].tokens += static_cast<double>(tokens);
}

std::optional<ApiError> Admission::refusal(const AdmissionOptions& options, int32_t n_waiting,
                                           int32_t n_of_account, int retry_after) {
  if (n_waiting >= options.max_waiting) {
    return ApiError{
        .status = 503,
        .message = fmt::format("the server is busy: {} requests wait already", n_waiting),
        .code = "server_is_overloaded",
        .retry_after = retry_after};
  }
  if (n_of_account >= options.max_waiting_per_account) {
    return ApiError{.status = 429,
                    .message = fmt::format("{} requests of yours wait already", n_of_account),
                    .code = "rate_limit_exceeded",
                    .retry_after = retry_after};
  }
  return std::nullopt;
}

Admission::Entry Admission::enter(std::string name, std::function<void()> on_slot) {
  auto ticket = std::make_shared<Ticket>(shared_from_this(), name);
  std::optional<ApiError> refusal;
  {
    const std::lock_guard lock(mutex_);
    Account& account = accounts_[name];
    refusal = Admission::refusal(options_, static_cast<int32_t>(waiting_.size()), account.n_waiting,
                                 seconds_to_wait());
    if (!refusal) {
      waiting_.push_back(ticket.get());
      ticket->on_slot_ = std::move(on_slot);
      ticket->has_entered_ = true;
      ++account.n_waiting;
    }
  }
  if (refusal) return {nullptr, std::move(refusal)};
  grant();
  return {std::move(ticket), {}};
}

// Allocates nothing: a ticket's destructor calls it.
void Admission::grant() noexcept {
  while (const auto on_slot = grant_one()) on_slot();
}

std::function<void()> Admission::grant_one() {
  const std::lock_guard lock(mutex_);
  if (n_running_ >= options_.slots + options_.reserve) return nullptr;
  Ticket* best = nullptr;
  Account* best_account = nullptr;
  const auto is_before = [](const Account& a, const Account& b) {
    return a.n_running != b.n_running ? a.n_running < b.n_running : a.tokens < b.tokens;
  };
  for (Ticket* ticket : waiting_) {
    Account& account = accounts_.find(ticket->account_)->second;
    if (account.n_running >= options_.slots) continue;
    if (best == nullptr || is_before(account, *best_account)) {
      best = ticket;
      best_account = &account;
    }
  }
  if (best == nullptr) return nullptr;
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), best));
  --best_account->n_waiting;
  ++best_account->n_running;
  ++n_running_;
  best->has_slot_ = true;
  best->is_only_one_ = best_account->n_running == 1;
  best->started_ = now_seconds();
  return std::move(best->on_slot_);
}

void Admission::leave(Ticket& ticket) {
  {
    const std::lock_guard lock(mutex_);
    const auto account = accounts_.find(ticket.account_);
    if (ticket.has_slot_) {
      --account->second.n_running;
      --n_running_;
      seconds_per_answer_ += 0.1 * (now_seconds() - ticket.started_ - seconds_per_answer_);
    } else if (ticket.has_entered_) {
      --account->second.n_waiting;
      waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &ticket));
    }
  }
  grant();
}

int Admission::retry_after() const {
  const std::lock_guard lock(mutex_);
  return seconds_to_wait();
}

int Admission::seconds_to_wait() const {
  const double per_second = std::max(1, options_.slots) / std::max(0.01, seconds_per_answer_);
  const double wait = static_cast<double>(waiting_.size()) / per_second;
  return static_cast<int>(std::clamp(std::ceil(wait), 1.0, 120.0));
}

int32_t Admission::n_waiting() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int32_t>(waiting_.size());
}

int32_t Admission::n_waiting(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  const auto found = accounts_.find(account);
  return found == accounts_.end() ? 0 : found->second.n_waiting;
}

int32_t Admission::n_running() const {
  const std::lock_guard lock(mutex_);
  return n_running_;
}

}  // namespace jiang
