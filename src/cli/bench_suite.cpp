#include "cli/bench_suite.h"

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"
#include "base/machine.h"
#include "base/utc_text.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/output.h"
#include "cli/sanitizer.h"
#include "kernels/table.h"

namespace jiang {
namespace {

constexpr int32_t kMemoryPrompt = 512;
// The machine's limits are measured before each group of cells and at the end.
constexpr int kLooksAtLimits = 5;
// Blocks that a kept context and an answer that begins from it do not share.
constexpr int64_t kDepthSlack = 4 * kKvBlockTokens;

std::string duration_text(double seconds) {
  return seconds < 90 ? fmt::format("{:.0f} s", seconds)
                      : fmt::format("{:.0f} minutes", seconds / 60);
}

// How far the suite is, in seconds that were expected.
class SuiteProgress {
 public:
  void expect(double seconds) { total_ = seconds; }
  void begin(std::string name, double expected) {
    name_ = std::move(name);
    expected_ = expected;
    began_ = now_seconds();
    tick();
  }
  void tick() {
    // A cell that takes longer than expected does not go on counting.
    draw(done_ + std::min(now_seconds() - began_, expected_));
  }
  void end() {
    done_ += expected_;
    draw(done_);
  }

 private:
  void draw(double done) {
    line_.update_count(static_cast<uint64_t>(done), static_cast<uint64_t>(std::max(total_, 1.0)),
                       "s, " + name_);
  }

  ProgressLine line_{"measuring"};
  std::string name_;
  double total_ = 0, done_ = 0, expected_ = 0, began_ = 0;
};

// Measures the cells of one model.
class ModelSuite {
 public:
  ModelSuite(const SuiteOptions& options, SuiteReport& report)
      : options_(options), report_(report) {}

  Result<ModelResult> run(const std::string& model, bool peak_is_known);

 private:
  Status load_and_plan(const std::string& model, bool peak_is_known);
  Status measure_memory(const char* during, int64_t kv_tokens);
  void look_at_limits(ThreadPool& pool, MachineLimits& limits);
  Status run_group(CellGroup group, ThreadPool& pool, MachineLimits& limits);
  Result<std::unique_ptr<Engine>> engine_for(std::vector<BenchCell>& cells, ThreadPool& pool);
  Result<double> run_cell(Engine& engine, const BenchCell& cell, int32_t round, double expected);

  const SuiteOptions& options_;
  SuiteReport& report_;
  ModelResult result_;
  KvType kv_type_ = EngineOptions().kv_type;
  std::optional<LoadedModel> loaded_;
  CellPlan plan_;
  std::optional<CellClock> clock_;
  double limits_seconds_ = 0;
  std::optional<SuiteProgress> progress_;
};

EngineOptions suite_engine_options(KvType kv_type) {
  EngineOptions options;
  options.max_sequences = 1;
  options.kv_type = kv_type;
  options.prefix_cache = false;
  options.lookup = false;  // random weights repeat themselves: that would flatter
  options.max_batch_tokens = kSuitePrefillRows;
  return options;
}

// Loading, and one prompt with its answer, are what the bar of memory is about: they come before
// anything else takes memory. The second time tells how long things will take.
Status ModelSuite::load_and_plan(const std::string& model, bool peak_is_known) {
  ModelFlags flags = options_.flags;
  flags.model = model;
  kv_type_ = kv_type_named(flags.kv_type).value_or(kv_type_);
  EngineOptions engine_options = suite_engine_options(kv_type_);
  engine_options.context = kMemoryPrompt + kSuiteDecodeTokens + 1;
  TRY(loaded_, load(flags, engine_options, WantedKind::decoder));
  const ModelConfig& config = loaded_->model->config();
  RequestStats stats;
  for (const uint32_t salt : {0u, 1u}) {
    TRY(stats,
        run_bench_request(*loaded_->engine, bench_prompt(kMemoryPrompt, config.vocab_size, salt),
                          kSuiteDecodeTokens + 1));
  }
  result_.model = loaded_->path;
  result_.parameters = loaded_->model->parameter_count();
  result_.weight_bytes = loaded_->model->weight_bytes();
  if (peak_is_known)
    TRY_STATUS(measure_memory("512 tokens prefilled, 64 decoded", engine_options.context));
  loaded_->engine.reset();

  CellModel& cell_model = result_.cell_model;
  cell_model.costs.macs = count_macs(*loaded_->source, config);
  cell_model.costs.weight_bytes = static_cast<double>(loaded_->model->bytes_per_token());
  cell_model.costs.kv_bytes = static_cast<double>(loaded_->model->state_bytes_per_token(kv_type_));
  const int32_t trained = config.max_position_embeddings;
  cell_model.context = trained > 0 ? trained : context_or_default(0, trained);
  cell_model.threads = loaded_->pool->size();
  plan_ = plan_cells(cell_model);
  clock_.emplace(cell_model, stats.prefill_seconds, stats.decode_seconds / kSuiteDecodeTokens);
  if (options_.quick) leave_out_slow(plan_, *clock_);
  const double began = now_seconds();
  report_.limits = better_of(report_.limits, measure_limits(*loaded_->pool));
  limits_seconds_ = now_seconds() - began;
  result_.expected_seconds =
      expected_seconds(plan_, *clock_, options_.repeats) + kLooksAtLimits * limits_seconds_;
  return ok();
}

Status ModelSuite::measure_memory(const char* during, int64_t kv_tokens) {
  const auto peak = peak_memory_bytes();
  if (!peak) {
    result_.left_out.push_back({"peak memory", "the system does not say what was held"});
    return ok();
  }
  result_.memory.push_back(
      {.during = during,
       .peak = *peak,
       .weights = result_.weight_bytes,
       .kv = static_cast<uint64_t>(kv_tokens) * loaded_->model->state_bytes_per_token(kv_type_)});
  return ok();
}

// With room for the largest of the cells; those that the memory cannot hold go to left_out.
Result<std::unique_ptr<Engine>> ModelSuite::engine_for(std::vector<BenchCell>& cells,
                                                       ThreadPool& pool) {
  while (true) {
    const BenchCell& largest = cells.back();
    EngineOptions options = suite_engine_options(kv_type_);
    options.context = largest.context();
    options.max_sequences = largest.batch;
    if (largest.group == CellGroup::depth) {
      options.prefix_cache = true;  // a deep context is computed once and kept
      options.kv_tokens = int64_t{options.context} * largest.batch +
                          static_cast<int64_t>(cells.size()) * (largest.tokens + kDepthSlack);
    }
    auto engine = Engine::create(loaded_->model, pool, options);
    if (engine || engine.error().kind != ErrorKind::too_large) return engine;
    result_.left_out.push_back({largest.name(), engine.error().message});
    cells.pop_back();
    if (cells.empty()) return std::unique_ptr<Engine>();
  }
}

Result<double> ModelSuite::run_cell(Engine& engine, const BenchCell& cell, int32_t round,
                                    double expected) {
  const BenchTick tick = [this] { progress_->tick(); };
  progress_->begin(cell.name(), expected);
  const auto salt = static_cast<uint32_t>(round) + 1;
  Result<double> rate =
      cell.kind == CellKind::prefill
          ? measure_prefill(engine, cell.tokens, salt, tick)
          : measure_decode(engine,
                           {.batch = cell.batch, .depth = cell.depth, .n_decode = cell.tokens},
                           cell.group == CellGroup::depth ? 0 : salt, tick);
  progress_->end();
  return rate;
}

void ModelSuite::look_at_limits(ThreadPool& pool, MachineLimits& limits) {
  progress_->begin("the machine's limits", limits_seconds_);
  limits = better_of(limits, measure_limits(pool));
  progress_->end();
}

// All cells once, then all again: what disturbs the machine for a while disturbs one run of each.
Status ModelSuite::run_group(CellGroup group, ThreadPool& pool, MachineLimits& limits) {
  std::vector<BenchCell> cells;
  std::copy_if(plan_.cells.begin(), plan_.cells.end(), std::back_inserter(cells),
               [&](const BenchCell& cell) { return cell.group == group; });
  if (cells.empty()) return ok();
  look_at_limits(pool, limits);
  TRY(const auto engine, engine_for(cells, pool));
  if (!engine) return ok();
  std::vector<CellResult> results;
  for (const BenchCell& cell : cells) results.push_back({cell, {}});
  for (int32_t round = 0; round < options_.repeats; ++round) {
    int32_t known_depth = 0;
    for (CellResult& result : results) {
      const BenchCell& cell = result.cell;
      const double again = clock_->again_seconds(cell);
      const double expected = round == 0 ? clock_->first_seconds(cell, known_depth) : again;
      if (group == CellGroup::depth) known_depth = cell.depth;
      if (round > 0) {
        const double took = cell.tokens * cell.batch / result.rates.values.front();
        if (cell_runs(took, options_.repeats) <= round) continue;
      }
      TRY(const double rate, run_cell(*engine, cell, round, expected));
      result.rates.values.push_back(rate);
      if (group == CellGroup::prefill) clock_->learn_prefill(cell.tokens, cell.tokens / rate);
    }
  }
  std::move(results.begin(), results.end(), std::back_inserter(result_.cells));
  return ok();
}

Result<ModelResult> ModelSuite::run(const std::string& model, bool peak_is_known) {
  const double began = now_seconds();
  TRY_STATUS(load_and_plan(model, peak_is_known));
  note(fmt::format("{}: about {}{}", visible_line(result_.model),
                   duration_text(result_.expected_seconds),
                   options_.quick ? "" : "; --quick leaves out what takes longer than a minute"));
  if (!peak_is_known) {
    result_.left_out.push_back(
        {"peak memory", "the system cannot forget the peak of the model before; measure it alone"});
  }
  progress_.emplace();
  progress_->expect(result_.expected_seconds);
  ThreadPool& pool = *loaded_->pool;
  for (const CellGroup group : {CellGroup::prefill, CellGroup::together, CellGroup::depth})
    TRY_STATUS(run_group(group, pool, report_.limits));
  if (pool.size() > 1) {
    ThreadPool one(1);
    TRY_STATUS(run_group(CellGroup::one_thread, one, report_.one_thread));
  }
  look_at_limits(pool, report_.limits);
  progress_.reset();
  std::move(plan_.left_out.begin(), plan_.left_out.end(), std::back_inserter(result_.left_out));
  result_.seconds = now_seconds() - began;
  report_.threads = pool.size();
  return std::move(result_);
}

Status check_opens(const std::string& model) {
  TRY(const auto source, open_model(model));
  return ok();
}

}  // namespace

Result<SuiteReport> run_suite(const SuiteOptions& options) {
  SuiteReport report;
  report.version = kVersion;
  report.date = utc_text(std::time(nullptr));
  report.cpu = inspect_machine().cpu_name;
  report.isa = kernels::level_name(kernels::level());
  report.kv_type = name_of(kv_type_named(options.flags.kv_type).value_or(EngineOptions().kv_type));
  // A name that is wrong is told before the first is measured.
  for (const std::string& model : options.models) TRY_STATUS(check_opens(model));
  const InterruptScope scope;
  for (const std::string& model : options.models) {
    // The peak of the first is the process's own.
    const bool peak_is_known = report.models.empty() || reset_peak_memory();
    TRY(report.models.emplace_back(), ModelSuite(options, report).run(model, peak_is_known));
  }
  return report;
}

Status prepare_suite_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(ErrorKind::io, "{}: the folder cannot be made: {}; give another with --out", folder,
                error.message());
  }
  return ok();
}

Status write_suite(const SuiteReport& report, const std::string& folder) {
  const std::filesystem::path place(folder);
  TRY_STATUS(write_file((place / "suite.json").string(), to_string(suite_json(report), 2) + "\n"));
  return write_file((place / "roofline.svg").string(), roofline_svg(suite_roofline(report)));
}

}  // namespace jiang
