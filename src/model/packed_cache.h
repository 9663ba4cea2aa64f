// PackedWeights: gives a model its packed matrices, in the order in which they were announced. They
// come mapped from JIANG_HOME/cache/packed where a whole file of the same weights lies there, and
// are packed otherwise, which writes that file for the next time.
//
// The cache is never required and may be deleted at any time. A file is used only if its header,
// its source and every byte of its matrices are what they were when it was written: once since the
// machine was started all bytes are read for that, later the file must be unchanged since then
// (model/check_mark.h). Processes that map it share the memory.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/thread_pool.h"
#include "ops/packed_matrix.h"
#include "weights/guarded_file.h"
#include "weights/tensor_source.h"

namespace jiang {

struct PackedCacheOptions {
  std::string folder;                  // empty: no cache
  uint64_t least_bytes = 64ull << 20;  // smaller models are packed sooner than files are opened
  bool must_keep = false;              // for who loads: kept() is to be ok
  // For CheckMark: file systems keep times in grains of up to 2 s (FAT), most of a tick.
  double settled_seconds = 3;
  // For who loads: asked where weights have to be packed; its error spares that work. May be empty.
  std::function<Status()> before_packing = {};
  // Told once, in a sentence, when packed weights could not be kept. May be empty.
  std::function<void(const std::string&)> note;
};

struct MatrixShape {
  Format format = Format::f32;
  int64_t rows = 0;
  int64_t cols = 0;

  bool operator==(const MatrixShape&) const = default;
};

class PackedWeights {
 public:
  // `source` and `pool` must outlive this.
  PackedWeights(const TensorSource& source, std::vector<MatrixShape> shapes, ThreadPool& pool,
                PackedCacheOptions options);
  ~PackedWeights();

  // True: take() does not read `weights.data`.
  bool is_cached() const { return cached_ != nullptr; }
  // The next matrix.
  PackedMatrix take(const WeightMatrix& weights);
  // After the last one: the file takes its place.
  void finish();

  // ok while the weights lie in the cache or are on their way there; otherwise why they are not.
  // Known from the start, but for what goes wrong on the disk.
  const Status& kept() const { return kept_; }

  // Where the packed weights of `source` lie, or would lie, in a cache folder.
  static std::string path_for(const TensorSource& source, const std::string& folder);

 private:
  struct Entry;
  struct Cached;
  struct Writer;

  Status open_cached(const std::string& path);
  bool has_right_hashes(const Cached& cached) const;
  Status begin_writing(const std::string& path);
  void give_up_writing(const Error& error);

  const TensorSource& source_;
  const std::vector<MatrixShape> shapes_;
  ThreadPool& pool_;
  const PackedCacheOptions options_;
  size_t next_ = 0;
  std::shared_ptr<const Cached> cached_;
  std::unique_ptr<Writer> writer_;
  Status kept_ = ok();
};

}  // namespace jiang
