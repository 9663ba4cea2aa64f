#include "train/model_folder.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/json_value.h"
#include "quant/float16.h"

namespace jiang {
namespace {

constexpr size_t kPiece = 1 << 16;  // values that are converted at a time

constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json",
    "merges.txt",     "added_tokens.json",     "tokenizer.model",         "vocab.txt",
    "qwen.tiktoken",  "chat_template.jinja"};

size_t value_bytes(Format format) { return format == Format::f32 ? 4 : 2; }

const char* safetensors_name(Format format) {
  return format == Format::f32 ? "F32" : format == Format::f16 ? "F16" : "BF16";
}

}  // namespace

Status write_safetensors(const std::string& path, const std::vector<NamedMatrix>& tensors,
                         Format format, const Json& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t at = 0;
  const auto elements = [](const NamedMatrix& tensor) {
    size_t n = 1;
    for (const int64_t extent : tensor.shape) n *= static_cast<size_t>(extent);
    return n;
  };
  for (const NamedMatrix& tensor : tensors) {
    const size_t bytes = elements(tensor) * value_bytes(format);
    header[tensor.name] = {{"dtype", safetensors_name(format)},
                           {"shape", tensor.shape},
                           {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  std::string text = to_string(header);
  while (text.size() % 8 != 0) text += ' ';
  const auto length = static_cast<uint64_t>(text.size());
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_STATUS(file.write(std::as_bytes(std::span(&length, 1))));
  TRY_STATUS(file.write(text));
  std::vector<uint16_t> half;
  for (const NamedMatrix& tensor : tensors) {
    const size_t n = elements(tensor);
    if (format == Format::f32) {
      TRY_STATUS(file.write(std::as_bytes(std::span(tensor.values, n))));
      continue;
    }
    for (size_t first = 0; first < n; first += kPiece) {
      half.resize(std::min(kPiece, n - first));
      for (size_t i = 0; i < half.size(); ++i) {
        const float value = tensor.values[first + i];
        half[i] = format == Format::f16 ? f32_to_f16(value) : f32_to_bf16(value);
      }
      TRY_STATUS(file.write(std::as_bytes(std::span(half))));
    }
  }
  return file.commit();
}

Status write_weights(const std::string& path, const ParameterSet& parameters, Format format) {
  std::vector<NamedMatrix> tensors;
  std::map<std::string, std::vector<float>> fused;  // stay in place while others are added
  std::deque<std::vector<float>> shifted;
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& p : parameters.all()) {
    const size_t colon = p->name.find(':');
    std::vector<int64_t> shape =
        p->is_vector ? std::vector<int64_t>{p->cols} : std::vector<int64_t>{p->rows, p->cols};
    if (p->stored_offset != 0) {
      std::vector<float>& stored =
          shifted.emplace_back(p->value.view().data, p->value.view().data + p->size());
      for (float& value : stored) value -= p->stored_offset;
      tensors.push_back({p->name, std::move(shape), stored.data()});
      continue;
    }
    if (colon == std::string::npos) {
      tensors.push_back({p->name, std::move(shape), p->value.view().data});
      continue;
    }
    // q, k, v (gate, up) follow each other and lie one below the other.
    const std::string name = p->name.substr(0, colon);
    std::vector<float>& all = fused[name];
    if (all.empty()) {
      shapes[name] = shape;
    } else {
      shapes[name][0] += shape[0];
    }
    all.insert(all.end(), p->value.view().data, p->value.view().data + p->size());
  }
  for (const auto& [name, values] : fused) tensors.push_back({name, shapes[name], values.data()});
  return write_safetensors(path, tensors, format, {{"format", "pt"}});
}

std::string chatml_template() {
  return "{%- for message in messages %}"
         "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' "
         "}}"
         "{%- endfor %}"
         "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
}

Json new_tokenizer_config(const std::string& end_of_text, const std::string& end_of_turn) {
  return {{"tokenizer_class", "Qwen2Tokenizer"},
          {"add_prefix_space", false},
          {"add_bos_token", false},
          {"bos_token", nullptr},
          {"eos_token", end_of_turn},
          {"pad_token", end_of_text},
          {"unk_token", nullptr},
          {"errors", "replace"},
          {"clean_up_tokenization_spaces", false},
          {"split_special_tokens", false},
          {"chat_template", chatml_template()}};
}

Status copy_tokenizer_files(const std::string& from, const std::string& to) {
  std::error_code failed;
  if (std::filesystem::equivalent(from, to, failed)) return ok();
  size_t copied = 0;
  for (const char* name : kTokenizerFiles) {
    const std::string path = from + "/" + name;
    if (!is_regular_file(path)) continue;
    TRY(const std::string bytes, read_file(path, size_t{1} << 30));
    TRY_STATUS(write_file(to + "/" + name, bytes));
    ++copied;
  }
  if (copied == 0) return fail(ErrorKind::not_found, "{}: no tokenizer's files", from);
  return ok();
}

}  // namespace jiang
