#include "cli/train_run.h"

#include <cmath>
#include <memory>

#include "base/machine.h"
#include "cli/interrupt.h"
#include "cli/model_flags.h"
#include "cli/options.h"
#include "cli/output.h"
#include "train/compute.h"

namespace jiang {
namespace {

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(std::llround(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
}

// A line in place on a terminal; elsewhere a line now and then.
class TrainingLine {
 public:
  void show(const TrainingProgress& now) {
    const LogEntry& entry = now.entry;
    std::string text = fmt::format("loss {:.4f}", entry.loss);
    if (entry.held_out) held_out_ = fmt::format(", held out {:.4f}", *entry.held_out);
    text += held_out_;
    if (entry.accuracy) text += fmt::format(", {:.0f} % right", 100 * *entry.accuracy);
    text += fmt::format(", {:.0f} tokens/s, {} left", entry.tokens_per_second,
                        duration(now.seconds_left));
    if (stderr_is_terminal() && terminal_moves_cursor()) {
      constexpr int kWidth = 20;
      const auto filled =
          static_cast<size_t>(kWidth * entry.step / std::max<int64_t>(1, now.total_steps));
      note_part(fmt::format("\r\033[Kstep {}/{} [{}{}] {}", entry.step, now.total_steps,
                            std::string(filled, '#'), std::string(kWidth - filled, ' '), text));
      drawn_ = true;
      return;
    }
    const int64_t every = std::max<int64_t>(1, now.total_steps / 50);
    if (entry.step % every == 0 || entry.step == now.total_steps || entry.held_out)
      note(fmt::format("step {}/{}: {}", entry.step, now.total_steps, text));
  }
  ~TrainingLine() {
    if (drawn_) note("");
  }

 private:
  std::string held_out_;
  bool drawn_ = false;
};

// What the products are made of, and where that is slow or does not matter.
std::string compute_text(Compute compute) {
  const kernels::Bf16Table& bf16 = kernels::bf16_table();
  if (compute == Compute::f32) return "matrix products in f32";
  if (bf16.is_faster)
    return fmt::format("matrix products in bf16 ({}), sums and weights in f32", bf16.name);
  return "matrix products in bf16, sums and weights in f32; on this CPU "
         "compute = \"f32\" is faster";
}

}  // namespace

Result<int> run_training(const char* command, RecipeKind kind,
                         const std::vector<std::string>& arguments, const RunRecipe& run) {
  std::string path;
  bool restart = false;
  ModelFlags flags;
  Options options(command);
  options.positional(path, "RECIPE", Options::Need::required, "a TOML file; docs/training.md");
  options.flag(restart, "--restart", "begin anew even if there is a checkpoint");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  TRY(TrainRecipe recipe, read_recipe(path, kind));
  recipe.trainer.restart = restart;
  const Machine machine = inspect_machine();
  recipe.trainer.memory_limit = machine.available_bytes;
  ThreadPool pool(thread_count(flags.threads));

  const Compute compute = recipe.trainer.compute;
  const InterruptScope scope;
  const std::string out = recipe.out;
  TrainingReport report;
  {
    TrainingLine line;
    RunCallbacks callbacks;
    callbacks.note = [](const std::string& text) { note(text); };
    callbacks.progress = [&, is_first = true](const TrainingProgress& now) mutable {
      if (is_first) note(compute_text(compute));
      is_first = false;
      line.show(now);
      return !interrupted();
    };
    TRY(report, run(std::move(recipe), pool, callbacks));
  }
  if (!report.finished) {
    return fail(ErrorKind::cancelled,
                "stopped after step {}; the checkpoint is in {}, the same command goes on from it",
                report.steps, out);
  }
  std::string summary = fmt::format(
      "{}: {} steps, {:.2f} M tokens in {} ({:.0f} tokens/s), loss {:.4f} -> {:.4f}", out,
      report.steps, report.tokens / 1e6, duration(report.seconds),
      report.tokens / std::max(report.seconds, 1e-9), report.first_loss, report.last_loss);
  if (report.held_out) summary += fmt::format(", held out {:.4f}", *report.held_out);
  if (report.resumed_at > 0) summary += fmt::format(" (went on from step {})", report.resumed_at);
  TRY_STATUS(print(summary + "\n"));
  return 0;
}

}  // namespace jiang
