// jiang imatrix: the mean square of what each column of each weight meets, over a text.
#include "cli/commands/table.h"
#include "cli/evaluation_text.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "convert/importance_matrix.h"
#include "ops/ops.h"
#include "train/sensitivity.h"
#include "weights/gguf_names.h"

namespace jiang {
namespace {

constexpr int32_t kImatrixChunk = 512;

class ImportanceObserver : public LinearObserver {
 public:
  explicit ImportanceObserver(std::string gguf_architecture)
      : collector_(std::move(gguf_architecture)) {}

  void observe(const Linear& linear, TensorView x) override {
    const auto cols = static_cast<size_t>(x.cols);
    for (int64_t i = 0; i < x.rows; ++i) {
      collector_.accumulate(linear.name + ".weight", {x.row(i), cols}, x.cols);
    }
  }
  const ImportanceCollector& collector() const { return collector_; }

 private:
  ImportanceCollector collector_;
};

Error imatrix_stopped(const std::string& out) {
  return fail(ErrorKind::cancelled, "{}; {} was not written", message(Phrase::interrupted), out);
}

Result<int> write_matrix(const std::string& out, const ImportanceMatrix& matrix, size_t n_chunks,
                         int32_t chunk) {
  TRY_STATUS(write_importance_matrix(out, matrix));
  TRY_STATUS(print(fmt::format("{}: {} weights over {} chunks of {} tokens\n", out,
                               matrix.columns.size(), n_chunks, chunk)));
  return 0;
}

Result<int> run_imatrix(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::string text;
  std::string out;
  int32_t chunk = 0;
  int32_t max_chunks = 0;
  bool is_full = false;
  Options options("imatrix");
  options.positional(flags.model, "MODEL", Options::Need::required,
                     "the model, best in f16 or bf16");
  options.positional(text, "TEXT", Options::Need::required, "a text like those it will meet");
  options.text(out, "-o,--output", "FILE", "where to write the matrix");
  options.number(chunk, "-c,--ctx", Range<int32_t>{4, 1 << 20}, "tokens of a chunk (default 512)");
  options.number(max_chunks, "--chunks", Range<int32_t>{0, 1 << 30}, "at most N chunks, 0: all");
  options.flag(is_full, "--full",
               "also how columns move together and what errors cost, for quantize --bits: a pass "
               "backwards, and a file as large as the model");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (out.empty()) return fail(ErrorKind::invalid_argument, "-o FILE is missing: where to write");

  TRY(const auto source, open_model(flags.model));
  TRY(const TextAssets assets, text_assets_of(*source));
  ThreadPool pool(thread_count(flags.threads));
  std::shared_ptr<const Model> model;
  {
    ProgressLine progress("loading");
    LoadOptions load_options;
    load_options.progress = [&](uint64_t done, uint64_t total) { progress.update(done, total); };
    TRY(model, load_model(source, pool, load_options));
  }
  const int32_t trained = model->config().max_position_embeddings;
  if (chunk == 0) chunk = trained > 0 ? std::min(kImatrixChunk, trained) : kImatrixChunk;
  TRY(const auto chunks, evaluation_chunks(text, *assets.tokenizer, chunk, max_chunks));

  const GgufArchitecture* architecture = gguf_architecture_of(source->config());
  if (!architecture) {
    return fail(
        ErrorKind::unsupported,
        "{}: GGUF has no names for the tensors of this architecture, which the matrix needs",
        source->path());
  }
  const InterruptScope scope;
  ProgressLine progress("measuring");
  if (is_full) {
    const SensitivityOptions sensitivity{
        .gguf_architecture = architecture->name, .datasets = {text}, .progress = [&](size_t done) {
          progress.update_count(done, chunks.size(), "chunks");
          return !interrupted();
        }};
    auto matrix = measure_sensitivity(*model, chunks, pool, sensitivity);
    if (!matrix && interrupted()) return imatrix_stopped(out);
    if (!matrix) return matrix.error();
    return write_matrix(out, *matrix, chunks.size(), chunk);
  }
  ImportanceObserver observer(architecture->name);
  Workspace work(pool, model->workspace_bytes(chunk, 1), &observer);
  StatePoolOptions state_options;
  state_options.capacity_tokens = chunk;
  state_options.kv_type = KvType::f32;
  TRY(const auto states, model->make_state_pool(state_options));
  Tensor logits(1, model->config().vocab_size);

  for (size_t i = 0; i < chunks.size(); ++i) {
    if (interrupted()) return imatrix_stopped(out);
    const StateId state = states->create();
    if (!states->reserve(state, chunk)) {
      return fail(ErrorKind::too_large, "no room for the state of {} tokens; give a smaller -c",
                  chunk);
    }
    BatchSequence sequence;
    sequence.state = state;
    sequence.n_rows = chunk;
    const int32_t last = chunk - 1;
    Batch batch;
    batch.tokens = chunks[i];
    batch.sequences = {&sequence, 1};
    batch.wanted = {&last, 1};
    model->forward(batch, states.get(), work, logits.view());
    states->free(state);
    progress.update_count(i + 1, chunks.size(), "chunks");
  }
  TRY(const ImportanceMatrix matrix,
      observer.collector().finish(static_cast<int64_t>(chunks.size()), chunk, {text}));
  return write_matrix(out, matrix, chunks.size(), chunk);
}

}  // namespace

const Command kImatrix = {
    .name = "imatrix",
    .usage = "usage: jiang imatrix MODEL TEXT -o FILE [OPTIONS]",
    .summary = "collect an importance matrix for jiang quantize",
    .examples = "  jiang imatrix model-f16.gguf wiki.train.raw -o model.imatrix --chunks 100",
    .run = run_imatrix,
};

}  // namespace jiang
