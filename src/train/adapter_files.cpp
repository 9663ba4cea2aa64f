#include "train/adapter_files.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/file.h"
#include "base/json_value.h"
#include "convert/gguf_writer.h"
#include "train/model_folder.h"
#include "weights/gguf_names.h"

namespace jiang {
namespace {

// A (rank, in) and B (out, rank) of one whole matrix of the checkpoint, in its row order.
struct WholeAdapter {
  std::string name;  // without ".weight"
  int64_t rank = 0, in = 0, out = 0;
  int64_t n_parts = 0;
  std::vector<float> a, b;
};

// Parts of a fused matrix have their own A and B: stacked, they are one adapter of the sum of the
// ranks whose B is block-diagonal.
std::vector<WholeAdapter> join_parts(const std::vector<TrainedAdapter>& adapters) {
  std::vector<WholeAdapter> all;
  for (size_t first = 0; first < adapters.size();) {
    const auto stem = [](const std::string& name) { return name.substr(0, name.find(':')); };
    const std::string name = stem(adapters[first].name);
    size_t end = first;
    WholeAdapter whole;
    whole.name = name.substr(0, name.rfind(".weight"));
    whole.in = adapters[first].a->cols;
    for (; end < adapters.size() && stem(adapters[end].name) == name; ++end) {
      whole.rank += adapters[end].a->rows;
      whole.out += adapters[end].b->rows;
      ++whole.n_parts;
    }
    whole.b.assign(static_cast<size_t>(whole.out * whole.rank), 0.0f);
    int64_t row = 0, column = 0;
    for (size_t i = first; i < end; ++i) {
      const TensorView a = adapters[i].a->value.view(), b = adapters[i].b->value.view();
      whole.a.insert(whole.a.end(), a.data, a.data + a.rows * a.cols);
      for (int64_t r = 0; r < b.rows; ++r) {
        std::copy(b.row(r), b.row(r) + b.cols, whole.b.begin() + (row + r) * whole.rank + column);
      }
      row += b.rows;
      column += b.cols;
    }
    all.push_back(std::move(whole));
    first = end;
  }
  return all;
}

bool is_turned(const std::string& name) {
  return name.ends_with("self_attn.q_proj") || name.ends_with("self_attn.k_proj");
}

// Rows of B between the halves of a head (Hugging Face) and adjacent pairs (GGUF of llama).
std::vector<float> reorder_rows(const WholeAdapter& adapter, int64_t head_dim, bool to_pairs) {
  std::vector<float> out(adapter.b.size());
  for (int64_t row = 0; row < adapter.out; ++row) {
    const int64_t head = row / head_dim * head_dim, within = row % head_dim, half = head_dim / 2;
    const int64_t paired = head + within % half * 2 + within / half;  // of row, if it is in halves
    const int64_t from = to_pairs ? row : paired, to = to_pairs ? paired : row;
    std::copy_n(adapter.b.begin() + from * adapter.rank, adapter.rank,
                out.begin() + to * adapter.rank);
  }
  return out;
}

Status write_peft(const std::string& folder, const std::vector<WholeAdapter>& adapters,
                  const LoraRecipe& lora, const std::string& base) {
  std::vector<NamedMatrix> tensors;
  std::set<std::string> targets;
  Json ranks = Json::object(), alphas = Json::object();
  for (const WholeAdapter& adapter : adapters) {
    const std::string name = "base_model.model." + adapter.name;
    tensors.push_back({name + ".lora_A.weight", {adapter.rank, adapter.in}, adapter.a.data()});
    tensors.push_back({name + ".lora_B.weight", {adapter.out, adapter.rank}, adapter.b.data()});
    const std::string target = adapter.name.substr(adapter.name.rfind('.') + 1);
    targets.insert(target);
    if (adapter.n_parts > 1) {
      ranks[target] = adapter.rank;
      alphas[target] = lora.alpha * static_cast<double>(adapter.n_parts);
    }
  }
  const Json config = {{"peft_type", "LORA"},
                       {"task_type", "CAUSAL_LM"},
                       {"base_model_name_or_path", base},
                       {"r", lora.rank},
                       {"lora_alpha", lora.alpha},
                       {"lora_dropout", lora.dropout},
                       {"target_modules", targets},
                       {"rank_pattern", ranks},
                       {"alpha_pattern", alphas},
                       {"bias", "none"},
                       {"fan_in_fan_out", false},
                       {"inference_mode", true},
                       {"use_rslora", false}};
  TRY_STATUS(write_safetensors(folder + "/adapter_model.safetensors", tensors, Format::f32,
                               {{"format", "pt"}}));
  return write_file(folder + "/adapter_config.json", to_string(config, 2) + "\n");
}

Status write_gguf(const std::string& path, const std::vector<WholeAdapter>& adapters,
                  const LoraRecipe& lora, const std::string& architecture, bool pairs,
                  int64_t head_dim) {
  Metadata metadata;
  metadata.values["general.type"] = std::string("adapter");
  metadata.values["general.architecture"] = architecture;
  metadata.values["adapter.type"] = std::string("lora");
  metadata.values["adapter.lora.alpha"] = lora.alpha;
  std::vector<GgufTensor> tensors;
  std::vector<std::vector<float>> values;
  for (const WholeAdapter& adapter : adapters) {
    const std::string name = gguf_tensor_name(architecture, adapter.name + ".weight");
    if (name.empty()) {
      return fail(ErrorKind::unsupported, "GGUF has no name for {} of {}", adapter.name,
                  architecture);
    }
    tensors.push_back({name + ".lora_a", Format::f32, Shape{adapter.rank, adapter.in}});
    values.push_back(adapter.a);
    tensors.push_back({name + ".lora_b", Format::f32, Shape{adapter.out, adapter.rank}});
    values.push_back(pairs && is_turned(adapter.name) ? reorder_rows(adapter, head_dim, true)
                                                      : adapter.b);
    // Readers divide the one alpha by each tensor's own rank.
    if (adapter.n_parts > 1) {
      for (float& value : values.back()) value *= static_cast<float>(adapter.n_parts);
    }
  }
  TRY(GgufWriter writer, GgufWriter::create(path, metadata, tensors));
  for (const std::vector<float>& tensor : values)
    TRY_STATUS(writer.write_tensor(std::as_bytes(std::span(tensor))));
  return writer.commit();
}

}  // namespace

Status write_adapters(const std::string& folder, const std::vector<TrainedAdapter>& adapters,
                      const LoraRecipe& lora, const TensorSource& base) {
  std::vector<WholeAdapter> whole = join_parts(adapters);
  TRY(const ModelConfig config, read_model_config(base));
  // From the model's order of rows to Hugging Face's.
  if (base.conventions().rope_interleaved) {
    for (WholeAdapter& adapter : whole) {
      if (is_turned(adapter.name)) adapter.b = reorder_rows(adapter, config.head_dim, false);
    }
  }
  TRY_STATUS(write_peft(folder, whole, lora, base.path()));
  const GgufArchitecture* architecture = gguf_architecture_of(base.config());
  if (!architecture) return ok();  // GGUF has no such models, so no adapters of them
  return write_gguf(folder + "/adapter.gguf", whole, lora, architecture->name,
                    architecture->conventions.rope_interleaved, config.head_dim);
}

}  // namespace jiang
