// TensorLoader: takes the tensors of a model out of their source. Asking comes first: every request
// is checked against the file and noted; only when all are there, of the right shape, and nothing
// is left over, are the weights packed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/packed_cache.h"
#include "model/tensor_names.h"
#include "ops/linear.h"
#include "quant/weight_matrix.h"
#include "weights/tensor_source.h"

namespace jiang {

enum class Presence : uint8_t { required, optional };

class TensorLoader {
 public:
  TensorLoader(std::shared_ptr<const TensorSource> source, const TensorNames& names)
      : source_(std::move(source)), names_(names) {}

  // The pointers and references passed below are filled by finish(), so they must stay in place
  // until then. `name` is without ".weight" and ".bias".

  // W (rows, cols) and, if there is one, its bias (rows).
  void linear(Linear& out, std::string_view name, int64_t rows, int64_t cols,
              Presence bias = Presence::optional);
  // One matrix of the file that is several of ours, one below the other.
  struct Part {
    Linear* out;
    std::string name;  // for importance matrices and messages
    int64_t rows;
  };
  void fused_linear(std::span<const Part> parts, std::string_view name, int64_t cols,
                    Presence bias = Presence::optional);
  // An embedding table, which stays where the file has it.
  void table(WeightMatrix& out, std::string_view name, int64_t rows, int64_t cols);
  // A vector of n floats, full name, plus `add`.
  void vector(std::vector<float>& out, std::string_view full_name, int64_t n,
              Presence presence = Presence::required, float add = 0);
  // A small matrix as floats, row by row.
  void matrix(std::vector<float>& out, std::string_view name, int64_t rows, int64_t cols);
  bool has(std::string_view full_name) const { return find(full_name) != nullptr; }
  // The layer's matrix is a part of the file but not asked for: an lm_head that repeats the
  // embedding.
  void skip(std::string_view full_name);

  // Checks everything, then packs: progress is called with (bytes done, bytes in all).
  Status finish(ThreadPool& pool, PackedCacheOptions cache,
                const std::function<void(uint64_t, uint64_t)>& progress);

  const TensorSource& source() const { return *source_; }
  std::shared_ptr<const TensorSource> shared_source() const { return source_; }
  uint64_t parameter_count() const { return parameter_count_; }

 private:
  struct Request {
    std::string name;
    const TensorInfo* found;
    std::function<void(PackedWeights&)> take;
  };

  const TensorInfo* find(std::string_view full_name) const;
  // Notes the tensor as asked for; nullptr, with a line in problems_, if it is missing or
  // misshapen.
  const TensorInfo* want(std::string_view full_name, const Shape& shape, Presence presence);
  void take_later(std::string_view name, const TensorInfo* found,
                  std::function<void(PackedWeights&)> take);
  bool is_ignored(std::string_view name) const;
  void list_unknown_tensors();

  std::shared_ptr<const TensorSource> source_;
  const TensorNames& names_;
  std::unordered_set<const TensorInfo*> used_;
  std::vector<std::string> problems_;
  std::vector<Request> requests_;
  std::vector<MatrixShape> shapes_;  // of the matrices that the requests will take, in order
  uint64_t parameter_count_ = 0;
};

}  // namespace jiang
