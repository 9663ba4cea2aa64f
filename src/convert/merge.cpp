#include "convert/merge.h"

#include <deque>
#include <unordered_map>

namespace jiang {
namespace {

class MergedSource final : public TensorSource {
 public:
  explicit MergedSource(std::shared_ptr<const TensorSource> model)
      : model_(std::move(model)), tensors_(model_->tensors().begin(), model_->tensors().end()) {}

  const std::string& path() const override { return model_->path(); }
  const Json& config() const override { return model_->config(); }
  const Json& generation_config() const override { return model_->generation_config(); }
  const Metadata* metadata() const override { return model_->metadata(); }
  const SourceConventions& conventions() const override { return model_->conventions(); }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const TensorInfo* find(std::string_view name) const override {
    const TensorInfo* original = model_->find(name);
    return original ? &tensors_[static_cast<size_t>(original - model_->tensors().data())] : nullptr;
  }
  std::span<const UnusableTensor> unusable() const override { return model_->unusable(); }
  bool still_whole() const override { return model_->still_whole(); }
  void forget(std::span<const std::byte> bytes) const override { model_->forget(bytes); }

  // The tensor as floats that may be changed; nullptr if there is none.
  std::vector<float>* floats(std::string_view name, ThreadPool& pool) {
    const TensorInfo* original = model_->find(name);
    if (!original) return nullptr;
    const auto index = static_cast<size_t>(original - model_->tensors().data());
    TensorInfo& tensor = tensors_[index];
    if (const auto found = changed_.find(index); found != changed_.end()) return found->second;
    std::vector<float>& values = memory_.emplace_back(static_cast<size_t>(tensor.shape.elements()));
    const WeightMatrix matrix = tensor.matrix();
    pool.parallel_for(static_cast<size_t>(matrix.rows), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        matrix.dequantize_row(static_cast<int64_t>(i),
                              values.data() + static_cast<int64_t>(i) * matrix.cols);
      }
    });
    tensor.format = Format::f32;
    tensor.bytes = std::as_bytes(std::span(values));
    changed_[index] = &values;
    return &values;
  }

 private:
  std::shared_ptr<const TensorSource> model_;
  std::vector<TensorInfo> tensors_;
  std::deque<std::vector<float>> memory_;
  std::unordered_map<size_t, std::vector<float>*> changed_;
};

}  // namespace

Result<std::shared_ptr<const TensorSource>> merge_adapters(
    std::shared_ptr<const TensorSource> model, std::vector<ScaledAdapter> adapters,
    int64_t head_dim, ThreadPool& pool) {
  auto merged = std::make_shared<MergedSource>(model);
  const bool is_transposed = model->conventions().conv1d_transposed;
  for (ScaledAdapter& adapter : adapters) {
    match_row_order(adapter.file, model->conventions(), head_dim);
    for (const AdapterMatrix& matrix : adapter.file.matrices) {
      const TensorInfo* tensor = model->find(matrix.name);
      const Shape wanted =
          is_transposed ? Shape{matrix.in, matrix.out} : Shape{matrix.out, matrix.in};
      if (!tensor || tensor->shape != wanted) {
        return fail(ErrorKind::invalid_argument, "{}: {} ({} x {}) fits no weight of {}{}",
                    adapter.file.path, matrix.name, matrix.out, matrix.in, model->path(),
                    tensor ? ", it is " + tensor->shape.to_string() + " there" : "");
      }
      std::vector<float>& values = *merged->floats(matrix.name, pool);
      const float scale = adapter.scale * matrix.scale;
      pool.parallel_for(static_cast<size_t>(matrix.out), 1, [&](size_t begin, size_t end) {
        std::vector<double> row(static_cast<size_t>(matrix.in));
        for (size_t o = begin; o < end; ++o) {
          std::fill(row.begin(), row.end(), 0.0);
          for (int64_t r = 0; r < matrix.rank; ++r) {
            const double b =
                matrix.b[o * static_cast<size_t>(matrix.rank) + static_cast<size_t>(r)];
            const float* a = matrix.a.data() + r * matrix.in;
            for (size_t i = 0; i < row.size(); ++i) row[i] += b * a[i];
          }
          for (size_t i = 0; i < row.size(); ++i) {
            float& value = is_transposed ? values[i * static_cast<size_t>(matrix.out) + o]
                                         : values[o * row.size() + i];
            value = static_cast<float>(value + static_cast<double>(scale) * row[i]);
          }
        }
      });
    }
  }
  return std::shared_ptr<const TensorSource>(std::move(merged));
}

}  // namespace jiang
