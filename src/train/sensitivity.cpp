#include "train/sensitivity.h"

#include <unordered_map>

#include "ops/gemm.h"
#include "quant/column_products.h"
#include "train/objective.h"

namespace jiang {
namespace {

// With dy the gradient of the loss at the output of one linear, x its input and e the error of its
// weights, the loss grows by dy e x. In the mean over tokens, with the text's own next tokens in
// place of the model's, the divergence from the model without errors is half the mean square of
// that. With the outputs, and the sizes of their gradients and of x, taken as independent:
//
//   KL ~ 1/2 sum_rows e_row H e_row^T,   H = g mean(x x^T),
//   g = mean(|dy|^2 / n |x|^2) / mean(|x|^2)   for n outputs
//
// Weighing each x x^T by its own |dy|^2 would be nearer to the truth, but few tokens have large
// gradients, and from so few the products are noise: it lost (decision 0031).
//
// An embedding adds one row to its output: there H = mean(dy dy^T), and as each token takes one of
// the rows, every row counts with its share of the table.
class SensitivityObserver : public GradientObserver {
 public:
  SensitivityObserver(const Model& model, std::string gguf_architecture, ThreadPool& pool)
      : squares_(std::move(gguf_architecture)), pool_(pool) {
    for (const ModelPart& part : model.parts()) {
      if (part.table) names_[part.table] = part.name;
    }
  }

  void observe(const Linear& linear, TensorView x, TensorView dy) override {
    const auto cols = static_cast<size_t>(x.cols);
    for (int64_t i = 0; i < x.rows; ++i)
      squares_.accumulate(linear.name + ".weight", {x.row(i), cols}, x.cols);
    add_products(products_[linear.name + ".weight"], x, x);
    std::vector<double> sizes(static_cast<size_t>(x.rows)), costs(sizes.size());
    pool_.parallel_for(sizes.size(), 16, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        sizes[i] = squares_of(x, static_cast<int64_t>(i));
        costs[i] =
            sizes[i] * squares_of(dy, static_cast<int64_t>(i)) / static_cast<double>(dy.cols);
      }
    });
    Gradients& gradients = gradients_[linear.name + ".weight"];
    for (size_t i = 0; i < sizes.size(); ++i) {  // in one order, whoever computed them
      gradients.sizes += sizes[i];
      gradients.costs += costs[i];
    }
  }

  void observe_lookup(const WeightMatrix& table, float scale, TensorView dy) override {
    const auto name = names_.find(&table);
    if (name == names_.end()) return;
    const Tensor shares(dy.rows, dy.cols);
    const float share = scale * scale / static_cast<float>(table.rows);
    for (int64_t i = 0; i < dy.rows; ++i) {
      for (int64_t c = 0; c < dy.cols; ++c) shares.view().row(i)[c] = share * dy.row(i)[c];
    }
    add_products(lookups_[name->second], shares.view(), dy);
  }

  Result<ImportanceMatrix> finish(int64_t chunks, int64_t tokens,
                                  std::vector<std::string> datasets) {
    TRY(ImportanceMatrix matrix, squares_.finish(chunks, tokens, std::move(datasets)));
    const double share = 1 / static_cast<double>(chunks * tokens);
    for (const auto& [hf_name, products] : products_) {
      const Gradients& gradients = gradients_.at(hf_name);
      const double g = gradients.sizes > 0 ? gradients.costs / gradients.sizes : 0;
      add_scaled(matrix, hf_name, products, g * share);
    }
    // A tied head has a share from each.
    for (const auto& [hf_name, products] : lookups_) add_scaled(matrix, hf_name, products, share);
    return matrix;
  }

 private:
  static double squares_of(TensorView x, int64_t row) {
    double sum = 0;
    for (int64_t c = 0; c < x.cols; ++c) sum += double{x.row(row)[c]} * x.row(row)[c];
    return sum;
  }

  void add_scaled(ImportanceMatrix& matrix, const std::string& hf_name,
                  const std::vector<float>& products, double factor) const {
    const std::string name = squares_.gguf_name(hf_name);
    if (name.empty()) return;
    std::vector<float>& to = matrix.products[name];
    to.resize(products.size());
    for (size_t i = 0; i < to.size(); ++i) to[i] += static_cast<float>(factor * products[i]);
  }

  // The blocks of a^T b, added to what is there.
  void add_products(std::vector<float>& products, TensorView a, TensorView b) {
    products.resize(static_cast<size_t>(ColumnProducts::count(a.cols)));
    float* to = products.data();
    for (int64_t first = 0; first < a.cols; first += kProductColumns) {
      const int64_t n = std::min<int64_t>(kProductColumns, a.cols - first);
      gemm({to, n, n, n}, transposed(a.columns(first, n)), plain(b.columns(first, n)),
           GemmMode::accumulate, gemm_memory_, pool_);
      to += n * n;
    }
  }

  std::unordered_map<const WeightMatrix*, std::string> names_;  // of tables
  ImportanceCollector squares_;
  std::map<std::string, std::vector<float>> products_, lookups_;  // by HF name
  struct Gradients {
    double sizes = 0, costs = 0;  // sums of |x|^2, and of |dy|^2 / n |x|^2
  };
  std::map<std::string, Gradients> gradients_;
  GemmMemory gemm_memory_;
  ThreadPool& pool_;
};

// One pass forwards and backwards. Every token but the last predicts the next.
void run_chunk(Tape& tape, Workspace& work, const Model& model, const std::vector<TokenId>& ids) {
  TrainingBatch batch;
  batch.add(ids);
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(ids.size()); ++i)
    batch.targets.push_back({i, ids[static_cast<size_t>(i) + 1], 1});
  std::vector<float> losses(batch.targets.size());
  tape.begin(TapeMode::remember_all, 0);
  const TensorView hidden = run_model(work, model, batch);
  backward_losses(tape, hidden, model, batch.targets, losses);
  tape.backward();
}

}  // namespace

Result<ImportanceMatrix> measure_sensitivity(const Model& model,
                                             const std::vector<std::vector<TokenId>>& chunks,
                                             ThreadPool& pool, const SensitivityOptions& options) {
  if (!model.output_head()) {
    return fail(ErrorKind::unsupported,
                "this model predicts no next token, from which its sensitivity would be measured");
  }
  const Bindings nothing_trains;
  SensitivityObserver observer(model, options.gguf_architecture, pool);
  size_t bytes;
  {
    auto owned = std::make_unique<Tape>(Tape::CountOnly{}, nothing_trains);
    Tape& tape = *owned;
    tape.set_observer(&observer);
    Workspace work(std::move(owned));
    run_chunk(tape, work, model, chunks.front());
    bytes = tape.peak_bytes() + tape.peak_bytes() / 4 + (size_t{16} << 20);
  }
  auto owned = std::make_unique<Tape>(pool, nothing_trains, bytes);
  Tape& tape = *owned;
  tape.set_observer(&observer);
  Workspace work(std::move(owned));
  for (size_t i = 0; i < chunks.size(); ++i) {
    run_chunk(tape, work, model, chunks[i]);
    if (options.progress && !options.progress(i + 1))
      return fail(ErrorKind::cancelled, "stopped before the text was through");
  }
  return observer.finish(static_cast<int64_t>(chunks.size()),
                         static_cast<int64_t>(chunks.front().size()), options.datasets);
}

}  // namespace jiang
