// Writes GGUF v3 files: metadata and tensor table first, then each tensor's bytes as they come,
// so that memory stays near one tensor. Temporary name, fsync, rename.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/metadata.h"
#include "base/result.h"
#include "quant/weight_format.h"
#include "tensor/shape.h"

namespace jiang {

struct GgufTensor {
  std::string name;  // GGUF spelling
  Format format = Format::f32;
  Shape shape;  // HF order, outermost first
};

class GgufWriter {
 public:
  // Lays the file out; free space is checked before the first byte is written.
  static Result<GgufWriter> create(const std::string& path, const Metadata& metadata,
                                   std::vector<GgufTensor> tensors);
  // Tensors come in the order of create(), each whole.
  Status write_tensor(std::span<const std::byte> bytes);
  Status commit();
  uint64_t file_bytes() const { return file_bytes_; }

 private:
  explicit GgufWriter(AtomicFile file) : file_(std::move(file)) {}
  AtomicFile file_;
  std::vector<GgufTensor> tensors_;
  size_t next_ = 0;
  uint64_t file_bytes_ = 0;
};

}  // namespace jiang
