#include "convert/quantization_error.h"

#include <map>

namespace jiang {
namespace {

struct Sums {
  double power = 0, ours = 0, candidate = 0;
  int64_t weights = 0;
};

double square_error(const float* x, const float* y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
  return sum;
}

// Adds the errors of one matrix; `candidate` may be nullptr.
void add_errors(Sums& sums, const WeightFormat& format, const TensorInfo& reference,
                const TensorInfo* candidate, ThreadPool& pool) {
  const WeightMatrix matrix = reference.matrix();
  std::vector<Sums> rows(static_cast<size_t>(matrix.rows));
  pool.parallel_for(rows.size(), 1, [&](size_t begin, size_t end) {
    const auto cols = static_cast<size_t>(matrix.cols);
    std::vector<float> x(cols), back(cols);
    const std::vector<float> zeros(cols);
    std::vector<std::byte> bytes(*format.row_bytes(matrix.cols));
    for (size_t i = begin; i < end; ++i) {
      matrix.dequantize_row(static_cast<int64_t>(i), x.data());
      rows[i].power = square_error(x.data(), zeros.data(), matrix.cols);
      format.quantize(bytes.data(), x.data(), matrix.cols, nullptr);
      format.dequantize(back.data(), bytes.data(), matrix.cols);
      rows[i].ours = square_error(x.data(), back.data(), matrix.cols);
      if (!candidate) continue;
      candidate->matrix().dequantize_row(static_cast<int64_t>(i), back.data());
      rows[i].candidate = square_error(x.data(), back.data(), matrix.cols);
    }
  });
  for (const Sums& row : rows) {
    sums.power += row.power;
    sums.ours += row.ours;
    sums.candidate += row.candidate;
  }
  sums.weights += reference.shape.elements();
}

QuantizationError finish(const WeightFormat& format, const Sums& sums, bool has_candidate) {
  const double power = sums.power > 0 ? sums.power : 1;
  QuantizationError error{format.id, format.bits_per_weight(), sums.weights, sums.ours / power, {}};
  if (has_candidate) error.candidate = sums.candidate / power;
  return error;
}

}  // namespace

Result<std::vector<QuantizationError>> quantization_error_table(const TensorSource& reference,
                                                                std::span<const Format> formats,
                                                                ThreadPool& pool) {
  std::vector<QuantizationError> table;
  for (const Format id : formats) {
    const WeightFormat& format = weight_format(id);
    Sums sums;
    for (const TensorInfo& tensor : reference.tensors()) {
      if (tensor.shape.rank() < 2 || !format.row_bytes(tensor.shape.cols())) continue;
      add_errors(sums, format, tensor, nullptr, pool);
    }
    table.push_back(finish(format, sums, false));
  }
  return table;
}

Result<std::vector<QuantizationError>> quantization_error_table(const TensorSource& reference,
                                                                const TensorSource& candidate,
                                                                ThreadPool& pool) {
  std::map<Format, Sums> by_format;
  for (const TensorInfo& tensor : candidate.tensors()) {
    const WeightFormat& format = weight_format(tensor.format);
    if (tensor.shape.rank() < 2 || format.block_size == 1) continue;
    TRY(const TensorInfo* original, reference.require(tensor.name));
    if (!(original->shape == tensor.shape)) {
      return fail(ErrorKind::invalid_argument,
                  "{} has shape {} in {} and {} in {}: they are not of one model", tensor.name,
                  original->shape.to_string(), reference.path(), tensor.shape.to_string(),
                  candidate.path());
    }
    add_errors(by_format[tensor.format], format, *original, &tensor, pool);
  }
  if (by_format.empty()) {
    return fail(ErrorKind::invalid_argument, "{}: no tensor of it is quantised", candidate.path());
  }
  std::vector<QuantizationError> table;
  for (const auto& [format, sums] : by_format)
    table.push_back(finish(weight_format(format), sums, true));
  return table;
}

}  // namespace jiang
