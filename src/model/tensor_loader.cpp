#include "model/tensor_loader.h"

#include <cstring>

#include "base/check.h"

namespace jiang {
namespace {

constexpr size_t kMostProblems = 8;  // that one message lists

// (in, out) -> (out, in), for the formats that hold single elements.
WeightMatrix transpose(const TensorInfo& tensor, AlignedBuffer& memory) {
  const WeightMatrix from = tensor.matrix();
  const auto size = static_cast<size_t>(weight_format(tensor.format).block_bytes);
  memory = AlignedBuffer(tensor.bytes.size());
  for (int64_t r = 0; r < from.rows; ++r) {
    for (int64_t c = 0; c < from.cols; ++c) {
      std::memcpy(memory.data() + static_cast<size_t>(c * from.rows + r) * size,
                  from.data + static_cast<size_t>(r * from.cols + c) * size, size);
    }
  }
  return {tensor.format, from.cols, from.rows, memory.data()};
}

}  // namespace

const TensorInfo* TensorLoader::find(std::string_view full_name) const {
  if (const TensorInfo* found = source_->find(full_name)) return found;
  if (!names_.optional_prefix.empty() && full_name.starts_with(names_.optional_prefix)) {
    return source_->find(full_name.substr(names_.optional_prefix.size()));
  }
  return nullptr;
}

const TensorInfo* TensorLoader::want(std::string_view full_name, const Shape& shape,
                                     Presence presence) {
  const TensorInfo* found = find(full_name);
  if (!found) {
    if (presence == Presence::required)
      problems_.push_back(fmt::format("{} {} is missing", full_name, shape.to_string()));
    return nullptr;
  }
  const bool is_new = used_.insert(found).second;
  if (!(found->shape == shape)) {
    problems_.push_back(fmt::format("{} has shape {}, expected {}", found->source_name,
                                    found->shape.to_string(), shape.to_string()));
    return nullptr;
  }
  if (is_new) parameter_count_ += static_cast<uint64_t>(shape.elements());
  return found;
}

void TensorLoader::take_later(std::string_view name, const TensorInfo* found,
                              std::function<void(PackedWeights&)> take) {
  requests_.push_back({std::string(name), found, std::move(take)});
}

void TensorLoader::linear(Linear& out, std::string_view name, int64_t rows, int64_t cols,
                          Presence bias) {
  const Part whole{&out, std::string(name), rows};
  fused_linear({&whole, 1}, name, cols, bias);
}

void TensorLoader::fused_linear(std::span<const Part> parts, std::string_view name, int64_t cols,
                                Presence bias) {
  int64_t rows = 0;
  for (const Part& part : parts) rows += part.rows;
  const bool is_transposed =
      source_->conventions().conv1d_transposed && name.starts_with(names_.layer);
  const std::string weight_name = std::string(name) + ".weight";
  const TensorInfo* weight =
      want(weight_name, is_transposed ? Shape{cols, rows} : Shape{rows, cols}, Presence::required);
  if (weight && is_transposed && weight_format(weight->format).block_size != 1) {
    problems_.push_back(fmt::format("{} is {}, which cannot be transposed", weight_name,
                                    weight_format(weight->format).name));
    weight = nullptr;
  }
  if (weight) {
    for (const Part& part : parts) shapes_.push_back({weight->format, part.rows, cols});
    take_later(
        name, weight,
        [weight, is_transposed,
         parts = std::vector(parts.begin(), parts.end())](PackedWeights& packed) {
          AlignedBuffer memory;
          const WeightMatrix all = is_transposed ? transpose(*weight, memory) : weight->matrix();
          int64_t first = 0;
          for (const Part& part : parts) {
            part.out->name = part.name;
            part.out->weight = packed.take({all.format, part.rows, all.cols, all.row(first)});
            first += part.rows;
          }
        });
  }

  const std::string bias_name = std::string(name) + ".bias";
  if (const TensorInfo* found = want(bias_name, Shape{rows}, bias)) {
    take_later(bias_name, found,
               [found, rows, parts = std::vector(parts.begin(), parts.end())](PackedWeights&) {
                 std::vector<float> all(static_cast<size_t>(rows));
                 weight_format(found->format).dequantize(all.data(), found->bytes.data(), rows);
                 auto from = all.begin();
                 for (const Part& part : parts) {
                   part.out->bias.assign(from, from + part.rows);
                   from += part.rows;
                 }
               });
  }
}

void TensorLoader::table(WeightMatrix& out, std::string_view name, int64_t rows, int64_t cols) {
  if (const TensorInfo* found =
          want(std::string(name) + ".weight", Shape{rows, cols}, Presence::required)) {
    out = found->matrix();
  }
}

void TensorLoader::matrix(std::vector<float>& out, std::string_view name, int64_t rows,
                          int64_t cols) {
  const std::string full_name = std::string(name) + ".weight";
  const TensorInfo* found = want(full_name, Shape{rows, cols}, Presence::required);
  if (!found) return;
  take_later(full_name, found, [&out, found](PackedWeights&) {
    out.resize(static_cast<size_t>(found->shape.elements()));
    weight_format(found->format)
        .dequantize(out.data(), found->bytes.data(), found->shape.elements());
  });
}

void TensorLoader::vector(std::vector<float>& out, std::string_view full_name, int64_t n,
                          Presence presence, float add) {
  const TensorInfo* found = want(full_name, Shape{n}, presence);
  if (!found) return;
  take_later(full_name, found, [&out, found, n, add](PackedWeights&) {
    out.resize(static_cast<size_t>(n));
    weight_format(found->format).dequantize(out.data(), found->bytes.data(), n);
    if (add != 0) {
      for (float& value : out) value += add;
    }
  });
}

void TensorLoader::skip(std::string_view full_name) {
  if (const TensorInfo* found = find(full_name)) used_.insert(found);
}

bool TensorLoader::is_ignored(std::string_view name) const {
  // GGUF's divisors of rope frequencies went into the config.
  if (name.starts_with("rope_freqs") || name.starts_with("rope_factors_")) return true;
  for (const std::string_view suffix : names_.ignored_suffixes) {
    if (name.ends_with(suffix)) return true;
  }
  for (const std::string_view prefix : names_.ignored_prefixes) {
    if (name.starts_with(prefix)) return true;
  }
  return name.ends_with("rotary_emb.inv_freq") || name.ends_with("rotary_pos_emb.inv_freq");
}

void TensorLoader::list_unknown_tensors() {
  for (const TensorInfo& tensor : source_->tensors()) {
    if (used_.contains(&tensor) || is_ignored(tensor.name)) continue;
    problems_.push_back(fmt::format("{} {} is not a tensor of this architecture",
                                    tensor.source_name, tensor.shape.to_string()));
  }
}

Status TensorLoader::finish(ThreadPool& pool, PackedCacheOptions cache,
                            const std::function<void(uint64_t, uint64_t)>& progress) {
  list_unknown_tensors();
  if (!problems_.empty()) {
    std::string list;
    for (size_t i = 0; i < problems_.size() && i < kMostProblems; ++i)
      list += (i ? "; " : "") + problems_[i];
    if (problems_.size() > kMostProblems)
      list += fmt::format("; and {} more", problems_.size() - kMostProblems);
    return fail(ErrorKind::bad_file, "{}: the tensors do not fit the config: {}", source_->path(),
                list);
  }
  uint64_t all = 0;
  for (const Request& request : requests_) all += request.found->bytes.size();
  uint64_t done = 0;
  if (progress) progress(0, all);
  const bool must_keep = cache.must_keep;
  const auto before_packing = std::move(cache.before_packing);
  PackedWeights packed(*source_, std::move(shapes_), pool, std::move(cache));
  if (must_keep) TRY_STATUS(packed.kept());  // before the work of packing
  if (before_packing && !packed.is_cached()) TRY_STATUS(before_packing());
  for (const Request& request : requests_) {
    // Reading a mapped file that has shrunk would kill the process.
    if (!source_->still_whole()) {
      return fail(ErrorKind::io,
                  "{}: the file was cut short while it was loaded, load it again when it is whole",
                  source_->path());
    }
    request.take(packed);
    source_->forget(request.found->bytes);  // its copy serves from here on
    done += request.found->bytes.size();
    if (progress) progress(done, all);
  }
  packed.finish();
  if (must_keep) TRY_STATUS(packed.kept());
  requests_.clear();
  return ok();
}

}  // namespace jiang
