#include "convert/quantize.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/suggest.h"
#include "convert/export_plan.h"
#include "convert/gguf_writer.h"
#include "convert/mixture.h"
#include "convert/quantize_recipes.h"
#include "quant/column_products.h"

namespace jiang {
namespace {

// Between two calls of progress(): a second or so of work, and the granularity of cancelling.
constexpr int64_t kWeightsPerPiece = int64_t{1} << 22;
constexpr float kLargestF16 = 65504;
// Rows of a matrix that a mixture tries its formats on, evenly spread.
constexpr int64_t kRowsTried = 256;

// What a mixture gives to matrices of which no product is known (embeddings that are only looked
// up), and its general.file_type, which can only name one format.
constexpr Recipe kMixture = {"mixture", Format::iq4_xs, 30};

// One tensor of the job.
struct Task {
  const PlannedTensor* tensor;
  QuantizeReport::Row row;
  const float* importance = nullptr;             // (n_importance rows, cols), or nullptr
  const std::vector<float>* products = nullptr;  // as ColumnProducts wants them
  int64_t rows_per_importance = 0;
  uint64_t bytes_in = 0;
};

class Job {
 public:
  Job(const TensorSource& source, const std::string& out, const Recipe& recipe, double bits,
      ThreadPool& pool, const QuantizeOptions& options)
      : source_(source), out_(out), recipe_(recipe), bits_(bits), pool_(pool), options_(options) {}

  Result<QuantizeReport> run() {
    std::error_code ignored;
    if (std::filesystem::equivalent(source_.path(), out_, ignored)) {
      return fail(ErrorKind::invalid_argument,
                  "{}: the result would replace its source; give another name", out_);
    }
    TRY(plan_, plan_export(source_, options_.extra_metadata));
    TRY_STATUS(choose_formats());
    TRY_STATUS(find_importance());
    if (bits_ > 0) TRY_STATUS(mix());
    TRY_STATUS(refuse_to_quantize_anew());
    complete_metadata();

    std::vector<GgufTensor> tensors;
    for (const Task& task : tasks_) {
      tensors.push_back({task.tensor->name, task.row.to, task.tensor->shape});
      report_.bytes_in += task.bytes_in;
    }
    TRY(GgufWriter writer, GgufWriter::create(out_, plan_.metadata, std::move(tensors)));
    for (Task& task : tasks_) {
      TRY_STATUS(write(writer, task));
      report_.rows.push_back(task.row);
    }
    TRY_STATUS(tell(plan_.tensors.empty() ? "" : plan_.tensors.back().name));
    TRY_STATUS(writer.commit());
    report_.bytes_out = writer.file_bytes();
    report_.left_out = plan_.left_out;
    return std::move(report_);
  }

 private:
  // ---- before the first byte

  Status choose_formats() {
    TRY(const std::string architecture, plan_.metadata.get_string("general.architecture"));
    auto number = [&](const char* key, int64_t otherwise) {
      const auto found = plan_.metadata.get_int(architecture + key);
      return found ? *found : otherwise;  // an array with a number for each layer, for instance
    };
    const int64_t heads = number(".attention.head_count", 1);
    const int64_t kv_heads = number(".attention.head_count_kv", heads);
    TensorPlace place;
    place.n_layers = static_cast<int>(std::clamp<int64_t>(number(".block_count", 0), 0, 1 << 20));
    place.heads_per_kv = kv_heads > 0 ? heads / kv_heads : 1;
    place.has_importance = options_.importance != nullptr;
    const bool has_output =
        std::any_of(plan_.tensors.begin(), plan_.tensors.end(),
                    [](const PlannedTensor& tensor) { return tensor.name == "output.weight"; });

    for (const PlannedTensor& tensor : plan_.tensors) {
      Task task;
      task.tensor = &tensor;
      task.row.tensor = tensor.name;
      task.row.from = tensor.source ? tensor.source->format : Format::f32;
      task.bytes_in = tensor.source ? tensor.source->bytes.size() : tensor.values.size() * 4;
      place.name = tensor.name;
      place.cols = tensor.shape.cols();
      place.layer = -1;
      if (tensor.name.starts_with("blk.")) {
        std::from_chars(tensor.name.data() + 4, tensor.name.data() + tensor.name.size(),
                        place.layer);
      }
      place.serves_as_output =
          tensor.name == "output.weight" || (tensor.name == "token_embd.weight" && !has_output);
      const FormatChoice choice = choice_for(tensor, place);
      task.row.to = choice.format;
      task.row.fallback = choice.fallback;
      task.row.weights = tensor.shape.elements();
      task.row.bytes = bytes_as(tensor, choice.format);
      task.row.is_matrix = has_choice(tensor);
      tasks_.push_back(std::move(task));
    }
    return ok();
  }

  static uint64_t bytes_as(const PlannedTensor& tensor, Format format) {
    return static_cast<uint64_t>(tensor.shape.rows()) *
           *weight_format(format).row_bytes(tensor.shape.cols());
  }

  Status refuse_to_quantize_anew() const {
    for (const Task& task : tasks_) {
      const bool is_anew = !weight_format(task.row.from).is_float() &&
                           !weight_format(task.row.to).is_float() && task.row.from != task.row.to;
      if (is_anew && !options_.allow_requantize) {
        return fail(ErrorKind::invalid_argument,
                    "{}: {} is {} already, and quantising it anew to {} loses twice; start from "
                    "the original floats, or allow it (--allow-requantize)",
                    source_.path(), task.tensor->name, weight_format(task.row.from).name,
                    weight_format(task.row.to).name);
      }
    }
    return ok();
  }

  static bool has_choice(const PlannedTensor& tensor) {
    return tensor.source && tensor.shape.rank() >= 2 && is_quantizable(tensor.name);
  }

  FormatChoice choice_for(const PlannedTensor& tensor, const TensorPlace& place) const {
    if (!tensor.source || tensor.shape.rank() < 2) return {Format::f32};
    if (has_choice(tensor)) return choose_format(recipe_, place, options_.pure);
    // Positions and the like: as they are in a GGUF file, which knows best, else f32.
    return {source_.metadata() ? tensor.source->format : Format::f32};
  }

  Status find_importance() {
    if (!options_.importance) return ok();
    const ImportanceMatrix& matrix = *options_.importance;
    size_t n_found = 0;
    for (Task& task : tasks_) {
      const std::string& name = task.tensor->name;
      const auto cols = static_cast<size_t>(task.tensor->shape.cols());
      const size_t experts =
          task.tensor->shape.rank() == 3 ? static_cast<size_t>(task.tensor->shape[0]) : 1;
      const auto found = matrix.columns.find(name);
      if (found != matrix.columns.end()) {
        // One row of importance for all rows, or one for each expert.
        const size_t sets = found->second.size() / cols;
        if (found->second.size() % cols != 0 || (sets != 1 && sets != experts)) {
          return fail(ErrorKind::invalid_argument,
                      "the importance matrix has {} columns for {}, which has {}: it belongs to "
                      "another model",
                      found->second.size(), name, cols);
        }
        task.importance = found->second.data();
        task.rows_per_importance = task.tensor->shape.rows() / static_cast<int64_t>(sets);
        ++n_found;
      }
      const auto products = matrix.products.find(name);
      if (products == matrix.products.end() || experts > 1) continue;
      const auto wanted = static_cast<size_t>(ColumnProducts::count(static_cast<int64_t>(cols)));
      if (products->second.size() != wanted) {
        return fail(ErrorKind::invalid_argument,
                    "the importance matrix has {} products for {}, whose {} columns have {}: it "
                    "belongs to another model",
                    products->second.size(), name, cols, wanted);
      }
      task.products = &products->second;
    }
    if (n_found > 0) return ok();
    return fail(ErrorKind::invalid_argument,
                "none of the {} layers of the importance matrix is in {}: it belongs to another "
                "model",
                matrix.columns.size(), source_.path());
  }

  // The formats of a mixture: tries each on some rows of every matrix.
  Status mix() {
    std::vector<std::vector<MixtureChoice>> matrices;
    std::vector<Task*> mixed;
    uint64_t rest = 0, weights = 0;
    for (Task& task : tasks_) {
      weights += static_cast<uint64_t>(task.row.weights);
      if (!task.row.is_matrix || !task.products) {
        rest += task.row.bytes;
        continue;
      }
      TRY_STATUS(tell(task.tensor->name));
      if (task.tensor->source && options_.before_tensor)
        TRY_STATUS(options_.before_tensor(*task.tensor->source));
      TRY(std::vector<MixtureChoice> choices, try_formats(task));
      matrices.push_back(std::move(choices));
      mixed.push_back(&task);
    }
    if (mixed.empty()) {
      return fail(ErrorKind::invalid_argument,
                  "a mixture needs to know what errors cost: give --imatrix FILE, made by jiang "
                  "imatrix --full");
    }
    const auto budget = static_cast<uint64_t>(bits_ / 8 * static_cast<double>(weights));
    const auto chosen = budget > rest ? choose_mixture(matrices, budget - rest) : std::nullopt;
    if (!chosen) {
      uint64_t least = rest;
      for (const auto& choices : matrices) {
        least += std::min_element(choices.begin(), choices.end(), [](auto& a, auto& b) {
                   return a.bytes < b.bytes;
                 })->bytes;
      }
      return fail(ErrorKind::invalid_argument,
                  "{}: {} bits per weight cannot be had, its smallest formats need {:.2f}",
                  source_.path(), bits_,
                  8 * static_cast<double>(least) / static_cast<double>(weights));
    }
    for (size_t i = 0; i < mixed.size(); ++i) {
      const MixtureChoice& choice = matrices[i][(*chosen)[i]];
      mixed[i]->row.to = choice.format;
      mixed[i]->row.bytes = choice.bytes;
      mixed[i]->row.fallback = false;
    }
    return ok();
  }

  Result<std::vector<MixtureChoice>> try_formats(const Task& task) {
    const int64_t rows = task.tensor->shape.rows(), cols = task.tensor->shape.cols();
    const ColumnProducts products(*task.products, cols, pool_);
    const int64_t count = std::min(rows, kRowsTried);
    std::vector<MixtureChoice> choices;
    for (const Format format : mixture_formats(cols)) {
      std::vector<double> errors(static_cast<size_t>(count));
      pool_.parallel_for(errors.size(), 1, [&](size_t begin, size_t end) {
        std::vector<float> x(static_cast<size_t>(cols)), back(x.size());
        std::vector<std::byte> bytes(*weight_format(format).row_bytes(cols));
        for (size_t i = begin; i < end; ++i) {
          read_rows(x.data(), *task.tensor, static_cast<int64_t>(i) * rows / count, 1);
          quantize_row(bytes.data(), weight_format(format), x.data(), cols, task.importance,
                       &products);
          weight_format(format).dequantize(back.data(), bytes.data(), cols);
          errors[i] = products.error(x.data(), back.data());
        }
      });
      double error = 0;
      for (const double row : errors) error += row;
      const double cost = error / 2 * static_cast<double>(rows) / static_cast<double>(count);
      choices.push_back({format, bytes_as(*task.tensor, format), cost});
    }
    return choices;
  }

  static void quantize_row(std::byte* out, const WeightFormat& format, const float* x, int64_t cols,
                           const float* importance, const ColumnProducts* products) {
    format.quantize(out, x, cols, importance);
    if (products && format.compensate) format.compensate(out, x, cols, *products);
  }

  void complete_metadata() {
    auto& values = plan_.metadata.values;
    values["general.file_type"] = uint64_t{recipe_.file_type};
    values["general.quantization_version"] = uint64_t{2};
    if (!options_.importance) return;
    const ImportanceMatrix& matrix = *options_.importance;
    values["quantize.imatrix.entries_count"] = static_cast<int64_t>(matrix.columns.size());
    values["quantize.imatrix.chunks_count"] = matrix.chunks;
    if (!matrix.datasets.empty()) values["quantize.imatrix.dataset"] = matrix.datasets.front();
  }

  // ---- tensor by tensor

  Status tell(const std::string& name) {
    if (!source_.still_whole()) {
      return fail(ErrorKind::io, "{}: the file was cut short while it was read", source_.path());
    }
    if (!options_.progress) return ok();
    if (options_.progress({name, bytes_done_, report_.bytes_in})) return ok();
    return fail(ErrorKind::cancelled, "stopped; nothing was written to {}", out_);
  }

  Status write(GgufWriter& writer, Task& task) {
    const PlannedTensor& tensor = *task.tensor;
    TRY_STATUS(tell(tensor.name));
    if (tensor.source && options_.before_tensor) TRY_STATUS(options_.before_tensor(*tensor.source));
    // Blocks that stay as they are.
    if (tensor.source && task.row.from == task.row.to && !weight_format(task.row.to).is_float()) {
      bytes_done_ += task.bytes_in;
      TRY_STATUS(writer.write_tensor(tensor.source->bytes));
      source_.forget(tensor.source->bytes);
      return ok();
    }
    const int64_t rows = tensor.shape.rows(), cols = tensor.shape.cols();
    const uint64_t row_bytes = *weight_format(task.row.to).row_bytes(cols);
    std::vector<std::byte> bytes(static_cast<size_t>(rows) * row_bytes);
    errors_.assign(static_cast<size_t>(rows), {});
    products_.reset();
    if (task.products && !weight_format(task.row.to).is_float())
      products_.emplace(*task.products, cols, pool_);
    const int64_t rows_per_piece = std::max<int64_t>(kWeightsPerPiece / cols, 1);
    for (int64_t first = 0; first < rows; first += rows_per_piece) {
      if (first > 0) TRY_STATUS(tell(tensor.name));
      const int64_t count = std::min(rows_per_piece, rows - first);
      TRY_STATUS(convert_rows(task, first, count, bytes.data(), row_bytes));
      bytes_done_ += task.bytes_in * static_cast<uint64_t>(count) / static_cast<uint64_t>(rows);
      if (tensor.source && tensor.rearrange != Rearrange::transpose) {
        const uint64_t per_row = task.bytes_in / static_cast<uint64_t>(rows);
        source_.forget(tensor.source->bytes.subspan(static_cast<uint64_t>(first) * per_row,
                                                    static_cast<uint64_t>(count) * per_row));
      }
    }
    if (tensor.source) source_.forget(tensor.source->bytes);
    // Summed row by row, so that it does not depend on the threads.
    double error = 0, power = 0, cost = 0;
    for (const RowError& row : errors_) {
      error += row.error;
      power += row.power;
      cost += row.cost;
    }
    task.row.expected_divergence = cost / 2;
    task.row.relative_mse = power > 0 ? error / power : 0;
    return writer.write_tensor(bytes);
  }

  struct RowError {
    double error = 0, power = 0;
    double cost = 0;  // r H r^T
  };

  Status convert_rows(const Task& task, int64_t first, int64_t count, std::byte* bytes,
                      uint64_t row_bytes) {
    const WeightFormat& format = weight_format(task.row.to);
    const int64_t cols = task.tensor->shape.cols();
    const bool has_f16_range = task.row.to != Format::f32 && task.row.to != Format::bf16;
    std::atomic<int64_t> worst_row{INT64_MAX};
    pool_.parallel_for(static_cast<size_t>(count), kRowsAtOnce, [&](size_t begin, size_t end) {
      std::vector<float> x(kRowsAtOnce * static_cast<size_t>(cols));
      std::vector<float> back(static_cast<size_t>(cols));
      for (size_t i = begin; i < end; i += kRowsAtOnce) {
        const size_t n = std::min(kRowsAtOnce, end - i);
        read_rows(x.data(), *task.tensor, first + static_cast<int64_t>(i), static_cast<int64_t>(n));
        for (size_t k = 0; k < n; ++k) {
          const int64_t row = first + static_cast<int64_t>(i + k);
          const float* values = x.data() + k * static_cast<size_t>(cols);
          if (!is_in_range(values, cols, has_f16_range)) {
            int64_t seen = worst_row.load();
            while (row < seen && !worst_row.compare_exchange_weak(seen, row)) {
            }
            continue;
          }
          std::byte* out = bytes + static_cast<uint64_t>(row) * row_bytes;
          const float* importance =
              task.importance ? task.importance + row / task.rows_per_importance * cols : nullptr;
          quantize_row(out, format, values, cols, importance, products_ ? &*products_ : nullptr);
          format.dequantize(back.data(), out, cols);
          RowError& error = errors_[static_cast<size_t>(row)];
          error = row_error(values, back.data(), cols);
          if (products_) error.cost = products_->error(values, back.data());
        }
      }
    });
    return worst_row == INT64_MAX ? ok() : out_of_range(*task.tensor, worst_row);
  }

  static bool is_in_range(const float* x, int64_t n, bool has_f16_range) {
    const float most = has_f16_range ? kLargestF16 : std::numeric_limits<float>::max();
    bool ok = true;
    for (int64_t i = 0; i < n; ++i) ok &= std::fabs(x[i]) <= most;  // false for NaN
    return ok;
  }

  static RowError row_error(const float* x, const float* y, int64_t n) {
    RowError sums;
    for (int64_t i = 0; i < n; ++i) {
      const double r = double{x[i]} - y[i];
      sums.error += r * r;
      sums.power += double{x[i]} * x[i];
    }
    return sums;
  }

  Error out_of_range(const PlannedTensor& tensor, int64_t row) const {
    std::vector<float> x(static_cast<size_t>(tensor.shape.cols()));
    read_rows(x.data(), tensor, row, 1);
    for (const float value : x) {
      if (std::isfinite(value)) continue;
      return fail(ErrorKind::bad_numbers,
                  "{}: row {} of {} holds {}: the model is damaged, get it again", source_.path(),
                  row, tensor.name, value);
    }
    return fail(ErrorKind::bad_numbers,
                "{}: row {} of {} has weights beyond 65504, the largest f16; use bf16 or f32",
                source_.path(), row, tensor.name);
  }

  static constexpr size_t kRowsAtOnce = 16;

  const TensorSource& source_;
  const std::string& out_;
  const Recipe& recipe_;
  const double bits_;  // of a mixture, or 0
  ThreadPool& pool_;
  const QuantizeOptions& options_;
  ExportPlan plan_;
  std::vector<Task> tasks_;
  std::vector<RowError> errors_;            // by row of the current tensor
  std::optional<ColumnProducts> products_;  // of the current tensor
  QuantizeReport report_;
  uint64_t bytes_done_ = 0;
};

}  // namespace

QuantizeType mixture_type(double bits) {
  return {fmt::format("{} bits", bits), kMixture.base, bits};
}

Result<QuantizeType> find_quantize_type(std::string_view name) {
  const std::string lower = ascii_lower(name);
  if (const Recipe* recipe = find_recipe(lower)) return QuantizeType{recipe->name, recipe->base};
  const std::vector<std::string> known = quantize_type_names();
  const auto close = suggest(lower, known);
  if (close)
    return fail(ErrorKind::invalid_argument, "unknown type \"{}\", did you mean {}?", name, *close);
  std::string list;
  for (const std::string& each : known) list += (list.empty() ? "" : " ") + each;
  return fail(ErrorKind::invalid_argument, "unknown type \"{}\"; there are {}", name, list);
}

std::vector<std::string> quantize_type_names() {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) names.emplace_back(recipe.name);
  for (const RecipeAlias& alias : recipe_aliases()) names.emplace_back(alias.name);
  return names;
}

Result<QuantizeReport> quantize_model(const TensorSource& source, const std::string& out,
                                      const QuantizeType& type, ThreadPool& pool,
                                      const QuantizeOptions& options) {
  if (type.bits > 0) return Job(source, out, kMixture, type.bits, pool, options).run();
  const Recipe* recipe = find_recipe(type.name);
  if (!recipe) return fail(ErrorKind::invalid_argument, "unknown type \"{}\"", type.name);
  return Job(source, out, *recipe, 0, pool, options).run();
}

}  // namespace jiang
