#include "weights/adapter_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/file.h"
#include "base/json_value.h"
#include "weights/gguf_file.h"
#include "weights/gguf_names.h"
#include "weights/guarded_file.h"
#include "weights/safetensors.h"

namespace jiang {
namespace {

constexpr int64_t kMostRank = 65536;

// One half of an adapter, as a file has it.
struct Half {
  Format format = Format::f32;
  int64_t rows = 0, cols = 0;
  std::span<const std::byte> bytes;
};
struct Halves {
  Half a, b;
};

Result<std::vector<float>> values_of(const Half& half, std::string_view where) {
  std::vector<float> values(static_cast<size_t>(half.rows * half.cols));
  const WeightFormat& format = weight_format(half.format);
  const auto row_bytes = format.row_bytes(half.cols);
  if (!row_bytes || *row_bytes * static_cast<uint64_t>(half.rows) != half.bytes.size())
    return fail(ErrorKind::bad_file, "{}: a tensor's bytes do not fit its shape", where);
  for (int64_t i = 0; i < half.rows; ++i) {
    format.dequantize(values.data() + i * half.cols,
                      half.bytes.data() + static_cast<uint64_t>(i) * *row_bytes, half.cols);
  }
  return values;
}

// `alpha_of(name, rank)`: alpha of the adapter of a weight.
template <class Alpha>
Status join(AdapterFile& file, const std::map<std::string, Halves>& halves, const Alpha& alpha_of) {
  for (const auto& [name, half] : halves) {
    AdapterMatrix matrix;
    matrix.name = name;
    matrix.rank = half.a.rows;
    matrix.in = half.a.cols;
    matrix.out = half.b.rows;
    if (half.a.bytes.empty() || half.b.bytes.empty()) {
      return fail(ErrorKind::bad_file, "{}: {} has only one of its two matrices", file.path, name);
    }
    if (matrix.rank < 1 || matrix.rank > kMostRank || half.b.cols != matrix.rank) {
      return fail(ErrorKind::bad_file, "{}: {}: A has rank {}, B {}", file.path, name, matrix.rank,
                  half.b.cols);
    }
    matrix.scale = static_cast<float>(alpha_of(name, matrix.rank));
    if (!std::isfinite(matrix.scale))
      return fail(ErrorKind::bad_file, "{}: {}: its scale is no number", file.path, name);
    TRY(matrix.a, values_of(half.a, file.path));
    TRY(matrix.b, values_of(half.b, file.path));
    file.matrices.push_back(std::move(matrix));
  }
  if (file.matrices.empty())
    return fail(ErrorKind::bad_file, "{}: no matrix of an adapter in it", file.path);
  return ok();
}

Result<double> pattern_value(const Json& config, const char* key, const std::string& name,
                             double otherwise, std::string_view where) {
  const Json* pattern = find_member(config, key);
  if (!pattern || !pattern->is_object()) return otherwise;
  for (const auto& [target, value] : pattern->items()) {
    const bool matches = name == target + ".weight" || name.ends_with("." + target + ".weight");
    if (!matches) continue;
    if (!value.is_number()) return fail(ErrorKind::bad_file, "{}: {} is no number", where, key);
    return value.get<double>();
  }
  return otherwise;
}

Result<AdapterFile> read_peft(const std::string& folder) {
  AdapterFile file;
  file.path = folder;
  const std::string where = folder + "/adapter_config.json";
  TRY(const Json config, parse_json_file(where));
  TRY(const std::string type, get_string(config, "peft_type", where));
  if (type != "LORA")
    return fail(ErrorKind::unsupported, "{}: peft_type is {}, jiang knows LORA", where, type);
  for (const char* key : {"use_rslora", "use_dora", "fan_in_fan_out"}) {
    TRY(const bool used, get_bool_or(config, key, false, where));
    if (used) return fail(ErrorKind::unsupported, "{}: {} is not supported", where, key);
  }
  TRY(const double alpha, get_number(config, "lora_alpha", where));
  TRY(const GuardedFile mapped, GuardedFile::open(folder + "/adapter_model.safetensors"));
  TRY(const auto entries, parse_safetensors(mapped.bytes(), mapped.path()));
  std::map<std::string, Halves> halves;
  for (const SafetensorsEntry& entry : entries) {
    std::string name = entry.name;
    constexpr std::string_view kFront = "base_model.model.";
    if (name.starts_with(kFront)) name.erase(0, kFront.size());
    const size_t at = name.find(".lora_");
    if (at == std::string::npos || entry.shape.size() != 2 || !entry.format) {
      return fail(ErrorKind::unsupported, "{}: {} is nothing that jiang knows of an adapter",
                  mapped.path(), entry.name);
    }
    const std::string which = name.substr(at);
    Halves& both = halves[name.substr(0, at) + ".weight"];
    const Half half{*entry.format, static_cast<int64_t>(entry.shape[0]),
                    static_cast<int64_t>(entry.shape[1]), entry.bytes};
    if (which == ".lora_A.weight") {
      both.a = half;
    } else if (which == ".lora_B.weight") {
      both.b = half;
    } else {
      return fail(ErrorKind::unsupported, "{}: {} is not supported", mapped.path(), entry.name);
    }
  }
  TRY_STATUS(join(file, halves, [&](const std::string& name, int64_t rank) {
    const auto own = pattern_value(config, "alpha_pattern", name, alpha, where);
    return own ? *own / static_cast<double>(rank) : NAN;
  }));
  if (!mapped.still_whole())
    return fail(ErrorKind::io, "{}: the file was cut short while it was read", mapped.path());
  return file;
}

Result<AdapterFile> read_gguf(const std::string& path) {
  AdapterFile file;
  file.path = path;
  TRY(const GuardedFile mapped, GuardedFile::open(path));
  TRY(const GgufFile gguf, parse_gguf(mapped.bytes(), path));
  TRY(const std::string type, gguf.metadata.get_string_or("general.type", "model"));
  if (type != "adapter")
    return fail(ErrorKind::invalid_argument, "{}: a {}, not an adapter", path, type);
  TRY(const std::string kind, gguf.metadata.get_string_or("adapter.type", "lora"));
  if (kind != "lora")
    return fail(ErrorKind::unsupported, "{}: adapter.type is {}, jiang knows lora", path, kind);
  TRY(const std::string name, gguf.metadata.get_string("general.architecture"));
  TRY(const double alpha, gguf.metadata.get_number("adapter.lora.alpha"));
  const GgufArchitecture* architecture = find_gguf_architecture(name);
  if (!architecture)
    return fail(ErrorKind::unsupported, "{}: architecture {} is not known", path, name);
  file.rows_in_pairs = architecture->conventions.rope_interleaved;
  std::map<std::string, Halves> halves;
  for (const GgufTensorEntry& entry : gguf.tensors) {
    const bool is_a = entry.name.ends_with(".lora_a"), is_b = entry.name.ends_with(".lora_b");
    if (!is_a && !is_b) {
      return fail(ErrorKind::unsupported, "{}: {} is nothing that jiang knows of an adapter", path,
                  entry.name);
    }
    Halves& both =
        halves[hf_tensor_name(architecture, entry.name.substr(0, entry.name.size() - 7))];
    (is_a ? both.a : both.b) = {entry.format, entry.shape.rows(), entry.shape.cols(), entry.bytes};
  }
  TRY_STATUS(join(file, halves, [&](const std::string&, int64_t rank) {
    return alpha / static_cast<double>(rank);
  }));
  if (!mapped.still_whole())
    return fail(ErrorKind::io, "{}: the file was cut short while it was read", path);
  return file;
}

}  // namespace

Result<AdapterFile> read_adapter_file(const std::string& path) {
  if (is_directory(path)) {
    if (is_regular_file(path + "/adapter_config.json")) return read_peft(path);
    if (is_regular_file(path + "/adapter.gguf")) return read_gguf(path + "/adapter.gguf");
    return fail(ErrorKind::not_found, "{}: no adapter_config.json in it", path);
  }
  if (!is_regular_file(path)) return fail(ErrorKind::not_found, "{}: no such adapter", path);
  return read_gguf(path);
}

void match_row_order(AdapterFile& adapter, const SourceConventions& conventions, int64_t head_dim) {
  if (adapter.rows_in_pairs == conventions.rope_interleaved) return;
  const bool to_pairs = conventions.rope_interleaved;
  for (AdapterMatrix& matrix : adapter.matrices) {
    if (!matrix.name.ends_with("self_attn.q_proj.weight") &&
        !matrix.name.ends_with("self_attn.k_proj.weight"))
      continue;
    std::vector<float> moved(matrix.b.size());
    const int64_t half = head_dim / 2;
    for (int64_t row = 0; row < matrix.out; ++row) {
      // Row j half + i of a head is 2 i + j in pairs.
      const int64_t within = row % head_dim;
      const int64_t paired = row - within + within % half * 2 + within / half;
      const int64_t from = to_pairs ? row : paired, to = to_pairs ? paired : row;
      std::copy_n(matrix.b.begin() + from * matrix.rank, matrix.rank,
                  moved.begin() + to * matrix.rank);
    }
    matrix.b = std::move(moved);
  }
  adapter.rows_in_pairs = to_pairs;
}

Result<AdapterReference> parse_adapter_reference(std::string_view text) {
  AdapterReference reference;
  reference.path = std::string(text);
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    const std::string_view number = text.substr(colon + 1);
    float scale = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), scale);
    if (error == std::errc() && end == number.data() + number.size() && !number.empty()) {
      if (!std::isfinite(scale)) {
        return fail(ErrorKind::invalid_argument, "{}: the scale must be a finite number", text);
      }
      reference.path = std::string(text.substr(0, colon));
      reference.scale = scale;
    }
  }
  if (reference.path.empty()) {
    return fail(ErrorKind::invalid_argument, "an adapter is PATH or PATH:SCALE, not \"{}\"", text);
  }
  return reference;
}

}  // namespace jiang
