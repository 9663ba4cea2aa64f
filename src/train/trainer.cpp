#include "train/trainer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "base/file.h"
#include "base/quantity.h"
#include "train/dropout.h"

namespace jiang {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Held while a run writes its folder.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::string& folder) {
    FolderLock lock;
    const std::string path = folder + "/training.lock";
    lock.descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock.descriptor_ < 0) return fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
      return fail(ErrorKind::io, "{}: another run writes to this folder", folder);
    }
    return lock;
  }
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~FolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

 private:
  FolderLock() = default;
  int descriptor_ = -1;
};

// Files that a killed run was writing.
void remove_leftovers(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().find(".part-") != std::string::npos)
      std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace

Trainer::Trainer(const Model& model, ParameterSet& parameters, Objective& objective,
                 Objective* held_out, ThreadPool& pool, std::string folder,
                 const TrainerOptions& options)
    : model_(model),
      parameters_(parameters),
      objective_(objective),
      held_out_(held_out),
      pool_(pool),
      folder_(std::move(folder)),
      options_(options) {
  plan_steps();
}

void Trainer::plan_steps() {
  const int64_t per_step = std::max<int64_t>(1, options_.batches_per_step);
  const double whole_epochs = std::floor(options_.epochs);
  for (int64_t epoch = 0;; ++epoch) {
    const int64_t n = objective_.batches_in(epoch);
    if (n == 0) break;
    const int64_t steps = (n + per_step - 1) / per_step;
    int64_t wanted = steps;
    if (options_.steps == 0) {
      if (static_cast<double>(epoch) >= options_.epochs) break;
      if (static_cast<double>(epoch) >= whole_epochs)
        wanted =
            std::llround(std::ceil((options_.epochs - whole_epochs) * static_cast<double>(steps)));
    }
    for (int64_t s = 0; s < wanted; ++s) {
      if (options_.steps > 0 && static_cast<int64_t>(plan_.size()) >= options_.steps) break;
      plan_.push_back({epoch, s * per_step, std::min(per_step, n - s * per_step)});
    }
    if (options_.steps > 0 && static_cast<int64_t>(plan_.size()) >= options_.steps) break;
  }
  options_.optimizer.total_steps = static_cast<int64_t>(plan_.size());
  options_.optimizer.warmup_steps =
      options_.warmup_steps > 0
          ? options_.warmup_steps
          : std::llround(options_.warmup_share * static_cast<double>(plan_.size()));
}

size_t Trainer::measure_tape(TapeMode mode) {
  auto owned = std::make_unique<Tape>(Tape::CountOnly{}, parameters_.bindings, options_.compute);
  Tape& tape = *owned;
  Workspace work(std::move(owned));
  // Whole sequences, and every row a target: no batch needs more.
  TrainingBatch batch;
  const int64_t rows = objective_.most_rows();
  const int64_t length = objective_.longest_sequence();
  for (int64_t at = 0; at < rows; at += length) {
    const std::vector<TokenId> ids(static_cast<size_t>(std::min(length, rows - at)), 0);
    batch.add(ids);
  }
  for (int32_t i = 0; i < static_cast<int32_t>(rows); ++i) batch.targets.push_back({i, 0, 1});
  std::vector<float> losses(batch.targets.size());
  tape.begin(mode, 0);
  const TensorView hidden = run_model(work, model_, batch);
  if (mode == TapeMode::forward_only) {
    measure_losses(tape, hidden, model_, batch.targets, losses);
  } else {
    backward_losses(tape, hidden, model_, batch.targets, losses);
    tape.backward();
  }
  product_bytes_ = std::max(product_bytes_, tape.product_bytes());
  return tape.peak_bytes();
}

uint64_t Trainer::memory_bytes() {
  if (tape_bytes_ == 0) {
    tape_bytes_ = std::max(measure_tape(options_.mode), measure_tape(TapeMode::forward_only));
    // Batches of other shapes cannot reuse each other's blocks: room for one more layer's worth.
    tape_bytes_ += tape_bytes_ / 4 + (size_t{16} << 20);
  }
  return tape_bytes_ + product_bytes_ + parameters_.count() * 4 * sizeof(float);
}

Status Trainer::check_memory() {
  const uint64_t needed = memory_bytes();
  if (options_.memory_limit == 0 || needed <= options_.memory_limit) return ok();
  return fail(ErrorKind::too_large,
              "training needs {} ({} for {:.1f} M parameters with their gradients and moments, {} "
              "for a batch of {} rows), {} are free; a shorter sequence, smaller batches or "
              "activation_checkpointing = true need less",
              human_bytes(needed), human_bytes(needed - tape_bytes_ - product_bytes_),
              static_cast<double>(parameters_.count()) / 1e6,
              human_bytes(tape_bytes_ + product_bytes_), objective_.most_rows(),
              human_bytes(options_.memory_limit));
}

Result<LogEntry> Trainer::step(int64_t number, Tape& tape, Workspace& work) {
  const StepPlan& plan = plan_[static_cast<size_t>(number - 1)];
  parameters_.clear_gradients(pool_);
  double weight = 0;
  for (int64_t i = 0; i < plan.n; ++i) weight += objective_.weight_of(plan.epoch, plan.first + i);
  LogEntry entry;
  entry.step = number;
  entry.learning_rate = learning_rate_at(options_.optimizer, number);
  BatchLoss sum;
  double rows = 0;
  for (int64_t i = 0; i < plan.n && weight > 0; ++i) {
    const uint64_t dropout_seed = mix_bits(
        options_.seed ^ mix_bits(static_cast<uint64_t>(number) * 1024 + static_cast<uint64_t>(i)));
    const BatchLoss part = objective_.run(tape, work, model_, plan.epoch, plan.first + i, weight,
                                          options_.mode, dropout_seed);
    sum.loss += part.loss;
    sum.weight += part.weight;
    sum.right += part.right;
    rows += static_cast<double>(objective_.rows_of(plan.epoch, plan.first + i));
  }
  entry.loss = sum.weight > 0 ? sum.loss / sum.weight : 0;
  entry.tokens = rows;
  if (sum.right > 0 && sum.weight > 0) entry.accuracy = sum.right / sum.weight;
  entry.gradient_norm = gradient_norm(parameters_, pool_);
  if (!std::isfinite(entry.loss) || !std::isfinite(entry.gradient_norm)) {
    return fail(ErrorKind::bad_numbers,
                "step {}: the loss is {} and the gradient's norm {}; a lower learning_rate or a "
                "longer warm-up may help; the last checkpoint is whole",
                number, entry.loss, entry.gradient_norm);
  }
  adamw_step(parameters_, options_.optimizer, number, entry.gradient_norm, pool_);
  return entry;
}

Result<double> Trainer::evaluate(Tape& tape, Workspace& work) {
  BatchLoss sum;
  const int64_t n = held_out_->batches_in(0);
  for (int64_t i = 0; i < n; ++i) {
    const BatchLoss part = held_out_->run(tape, work, model_, 0, i, 1, TapeMode::forward_only, 0);
    sum.loss += part.loss;
    sum.weight += part.weight;
  }
  if (sum.weight == 0) return fail(ErrorKind::invalid_argument, "the held-out data is empty");
  return sum.loss / sum.weight;
}

Status Trainer::save(const CheckpointState& state, const RunLog& log) {
  TRY_STATUS(write_file(path("loss.svg"), loss_curve_svg(log.entries())));
  if (save_model) TRY_STATUS(save_model());
  return write_checkpoint(path("checkpoint.jtc"), state, parameters_);
}

Result<TrainingReport> Trainer::run() {
  if (plan_.empty()) {
    return fail(ErrorKind::invalid_argument, "there is nothing to train on: no batch has a target");
  }
  TRY_STATUS(check_memory());
  std::error_code failed;
  std::filesystem::create_directories(folder_, failed);
  if (failed) return fail(ErrorKind::io, "{}: {}", folder_, failed.message());
  TRY(const FolderLock lock, FolderLock::take(folder_));
  remove_leftovers(folder_);

  const uint64_t fingerprint = mix_bits(options_.fingerprint ^ objective_.fingerprint());
  CheckpointState state{.fingerprint = fingerprint};
  TrainingReport report;
  if (options_.restart) {
    std::filesystem::remove(path("checkpoint.jtc"), failed);
  } else if (is_regular_file(path("checkpoint.jtc"))) {
    TRY(state, read_checkpoint(path("checkpoint.jtc"), parameters_));
    if (state.fingerprint != fingerprint) {
      return fail(ErrorKind::invalid_argument,
                  "{}: this checkpoint is of another recipe or other data; --restart begins anew, "
                  "another out folder keeps both",
                  path("checkpoint.jtc"));
    }
    report.resumed_at = state.step;
  }
  TRY(RunLog log, RunLog::open(path("log.jsonl"), state.step));

  auto owned = std::make_unique<Tape>(pool_, parameters_.bindings, tape_bytes_, options_.compute);
  Tape& tape = *owned;
  Workspace work(std::move(owned));
  const auto total = static_cast<int64_t>(plan_.size());
  const double seconds_before = state.seconds;
  const double tokens_before = state.tokens;
  const double start = now();
  double last_save = start;
  double rate = 0;  // tokens per second, a running mean
  while (state.step < total) {
    const double step_start = now();
    TRY(LogEntry entry, step(state.step + 1, tape, work));
    ++state.step;
    const double step_tokens = entry.tokens;
    state.tokens += step_tokens;
    const bool is_last = state.step == total;
    const double took = now() - step_start;
    const double speed = step_tokens / std::max(took, 1e-9);
    rate = rate == 0 ? speed : rate + 0.1 * (speed - rate);
    if (held_out_ &&
        (is_last || (options_.evaluate_every > 0 && state.step % options_.evaluate_every == 0))) {
      TRY(entry.held_out, evaluate(tape, work));
    }
    entry.tokens = state.tokens;
    entry.tokens_per_second = speed;
    state.seconds = seconds_before + (now() - start);
    TRY_STATUS(log.append(entry));
    const double per_step =
        (state.tokens - tokens_before) / static_cast<double>(state.step - report.resumed_at);
    const double left = rate > 0 ? per_step * static_cast<double>(total - state.step) / rate : 0;
    const bool stops = go_on && !go_on({entry, total, left});
    if (is_last || stops || now() - last_save >= options_.checkpoint_minutes * 60) {
      TRY_STATUS(save(state, log));
      last_save = now();
    }
    if (stops && !is_last) {
      report.finished = false;
      break;
    }
  }
  if (report.resumed_at == total && save_model) TRY_STATUS(save_model());
  report.steps = state.step;
  report.seconds = state.seconds;
  report.tokens = state.tokens;
  const std::vector<LogEntry>& entries = log.entries();
  if (!entries.empty()) {
    report.first_loss = entries.front().loss;
    const size_t tail = std::max<size_t>(1, entries.size() / 10);
    for (size_t i = entries.size() - tail; i < entries.size(); ++i)
      report.last_loss += entries[i].loss / static_cast<double>(tail);
    for (const LogEntry& entry : entries) {
      if (entry.held_out) report.held_out = entry.held_out;
    }
  }
  return report;
}

}  // namespace jiang
