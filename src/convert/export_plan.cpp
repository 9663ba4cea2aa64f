#include "convert/export_plan.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>

#include "base/json_value.h"
#include "weights/gguf_names.h"

namespace jiang {
namespace {

// Tensors of HF checkpoints that no inference needs: buffers, and the heads of pre-training.
bool is_left_out(std::string_view hf_name) {
  for (const std::string_view suffix :
       {".inv_freq", ".position_ids", ".masked_bias", ".attn.bias", ".attention.bias"}) {
    if (hf_name.ends_with(suffix)) return true;
  }
  return hf_name.starts_with("cls.") || hf_name.starts_with("bert.pooler.");
}

// Of a GGUF file: everything as it is, but in one piece.
Result<ExportPlan> plan_from_gguf(const TensorSource& source, const Metadata& metadata) {
  ExportPlan plan;
  plan.metadata = metadata;
  for (const char* key : {"split.no", "split.count", "split.tensors.count"}) {
    plan.metadata.values.erase(key);
  }
  for (const TensorInfo& tensor : source.tensors()) {
    PlannedTensor planned;
    planned.name = tensor.source_name;
    planned.shape = tensor.shape;
    planned.source = &tensor;
    plan.tensors.push_back(std::move(planned));
  }
  return plan;
}

// The number in "blk.17."; -1 for other names.
int layer_of(std::string_view name) {
  if (!name.starts_with("blk.")) return -1;
  int layer = -1;
  std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return layer;
}

class HfPlanner {
 public:
  explicit HfPlanner(const TensorSource& source) : source_(source) {}

  Result<ExportPlan> run() {
    TRY(plan_.metadata, gguf_metadata_from_config(source_.config(), source_.path()));
    architecture_ = gguf_architecture_of(source_.config());
    JIANG_CHECK(architecture_ != nullptr, "an architecture that has metadata has a row");
    const std::string name = std::filesystem::path(source_.path()).lexically_normal().filename();
    const auto parent = std::filesystem::path(source_.path()).lexically_normal().parent_path();
    plan_.metadata.values["general.name"] = name.empty() ? parent.filename().string() : name;
    const std::string heads = std::string(architecture_->name) + ".attention.head_count";
    TRY(n_heads_, plan_.metadata.get_int(heads));
    TRY(n_kv_heads_, plan_.metadata.get_int_or(heads + "_kv", n_heads_));
    TRY_STATUS(add_tensors());
    TRY_STATUS(tie());
    TRY(auto extras, gguf_extra_tensors(source_.config(), source_.path()));
    for (GgufExtraTensor& extra : extras) {
      PlannedTensor planned;
      planned.name = extra.name;
      planned.shape = Shape{static_cast<int64_t>(extra.values.size())};
      planned.values = std::move(extra.values);
      plan_.tensors.push_back(std::move(planned));
    }
    std::stable_sort(plan_.tensors.begin(), plan_.tensors.end(),
                     [](const PlannedTensor& a, const PlannedTensor& b) {
                       return std::pair(layer_of(a.name), a.name) <
                              std::pair(layer_of(b.name), b.name);
                     });
    return std::move(plan_);
  }

 private:
  Status add_tensors() {
    for (const UnusableTensor& tensor : source_.unusable()) {
      if (gguf_tensor_name(architecture_->name, tensor.name).empty()) continue;
      return fail(ErrorKind::unsupported, "{}: {} cannot be used: {}", source_.path(), tensor.name,
                  tensor.why);
    }
    for (const TensorInfo& tensor : source_.tensors()) {
      PlannedTensor planned;
      planned.name = gguf_tensor_name(architecture_->name, tensor.name);
      if (planned.name.empty()) {
        if (!is_left_out(tensor.name)) {
          return fail(ErrorKind::unsupported,
                      "{}: {} {} is not a tensor of {} that jiang knows, and would be lost",
                      source_.path(), tensor.name, tensor.shape.to_string(), architecture_->name);
        }
        plan_.left_out.push_back(tensor.name);
        continue;
      }
      planned.shape = tensor.shape;
      planned.source = &tensor;
      TRY_STATUS(rearrange(planned));
      plan_.tensors.push_back(std::move(planned));
    }
    return ok();
  }

  Status rearrange(PlannedTensor& tensor) const {
    const SourceConventions& from = source_.conventions();
    const SourceConventions& to = architecture_->conventions;
    const std::string_view name = tensor.name;
    if (to.rope_interleaved != from.rope_interleaved) {
      const bool is_q = name.find(".attn_q.") != std::string_view::npos;
      const bool is_k = name.find(".attn_k.") != std::string_view::npos;
      if (is_q || is_k) {
        tensor.rearrange = Rearrange::interleave_heads;
        tensor.n_heads = is_q ? n_heads_ : n_kv_heads_;
        const int64_t rows = tensor.shape[0];
        if (rows % tensor.n_heads != 0 || rows / tensor.n_heads % 2 != 0) {
          return fail(ErrorKind::bad_file, "{}: {} has shape {}, which {} heads do not divide",
                      source_.path(), tensor.source->name, tensor.shape.to_string(),
                      tensor.n_heads);
        }
      }
    }
    if (to.norm_has_one_added != from.norm_has_one_added && name.ends_with("norm.weight")) {
      tensor.rearrange = Rearrange::add_one;
    }
    if (from.conv1d_transposed && name.starts_with("blk.") && tensor.shape.rank() == 2) {
      tensor.rearrange = Rearrange::transpose;
      tensor.shape = Shape{tensor.shape[1], tensor.shape[0]};
    }
    return ok();
  }

  // A tied head is the embeddings again. Some checkpoints keep the head and leave the embeddings
  // away; GGUF does it the other way round.
  Status tie() {
    TRY(const bool is_tied,
        get_bool_or(source_.config(), "tie_word_embeddings", false, source_.path()));
    auto named = [&](std::string_view name) {
      return std::find_if(plan_.tensors.begin(), plan_.tensors.end(),
                          [&](const PlannedTensor& tensor) { return tensor.name == name; });
    };
    const auto head = named("output.weight");
    const bool has_embeddings = named("token_embd.weight") != plan_.tensors.end();
    if (is_tied && head != plan_.tensors.end()) {
      if (has_embeddings) {
        plan_.tensors.erase(head);
      } else {
        head->name = "token_embd.weight";
      }
      return ok();
    }
    if (has_embeddings) return ok();
    return fail(ErrorKind::bad_file, "{}: the token embeddings are missing", source_.path());
  }

  const TensorSource& source_;
  const GgufArchitecture* architecture_ = nullptr;
  ExportPlan plan_;
  int64_t n_heads_ = 0;
  int64_t n_kv_heads_ = 0;
};

// Where row `row` of the interleaved matrix lies in halves: pair i of a head is row i of the first
// half and row i of the second.
int64_t row_before_interleaving(int64_t row, int64_t rows, int64_t n_heads) {
  const int64_t head_dim = rows / n_heads;
  const int64_t head = row / head_dim, within = row % head_dim;
  return head * head_dim + within % 2 * (head_dim / 2) + within / 2;
}

}  // namespace

Result<ExportPlan> plan_export(const TensorSource& source, const Metadata& extra) {
  for (const UnusableTensor& tensor : source.unusable()) {
    if (!source.metadata()) break;
    return fail(ErrorKind::unsupported, "{}: {} cannot be used: {}", source.path(), tensor.name,
                tensor.why);
  }
  TRY(ExportPlan plan,
      source.metadata() ? plan_from_gguf(source, *source.metadata()) : HfPlanner(source).run());
  for (const auto& [key, value] : extra.values) plan.metadata.values[key] = value;
  return plan;
}

void read_rows(float* out, const PlannedTensor& tensor, int64_t first, int64_t count) {
  const int64_t cols = tensor.shape.cols();
  if (!tensor.source) {
    std::copy_n(tensor.values.begin() + first * cols, count * cols, out);
    return;
  }
  const WeightMatrix matrix = tensor.source->matrix();
  const WeightFormat& format = weight_format(matrix.format);
  switch (tensor.rearrange) {
    case Rearrange::none:
    case Rearrange::add_one:
      for (int64_t i = 0; i < count; ++i) matrix.dequantize_row(first + i, out + i * cols);
      if (tensor.rearrange == Rearrange::add_one) {
        for (int64_t i = 0; i < count * cols; ++i) out[i] += 1;
      }
      return;
    case Rearrange::interleave_heads: {
      if (tensor.shape.rank() == 1) {  // a bias: one row, its entries move
        std::vector<float> before(static_cast<size_t>(cols));
        matrix.dequantize_row(0, before.data());
        for (int64_t i = 0; i < cols; ++i) {
          out[i] = before[static_cast<size_t>(row_before_interleaving(i, cols, tensor.n_heads))];
        }
        return;
      }
      const int64_t rows = tensor.shape.rows();
      for (int64_t i = 0; i < count; ++i) {
        matrix.dequantize_row(row_before_interleaving(first + i, rows, tensor.n_heads),
                              out + i * cols);
      }
      return;
    }
    case Rearrange::transpose: {
      // HF sources hold floats, so parts of a row can be read.
      JIANG_CHECK(format.block_size == 1, "only floats are transposed");
      std::vector<float> part(static_cast<size_t>(count));
      for (int64_t c = 0; c < cols; ++c) {
        format.dequantize(part.data(), matrix.row(c) + first * format.block_bytes, count);
        for (int64_t i = 0; i < count; ++i) out[i * cols + c] = part[static_cast<size_t>(i)];
      }
      return;
    }
  }
}

}  // namespace jiang
