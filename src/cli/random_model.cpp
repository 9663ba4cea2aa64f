#include "cli/random_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/suggest.h"
#include "base/unicode.h"

namespace jiang {
namespace {

// From the published config.json files; "tiny" is for tests.
constexpr RandomModelShape kShapes[] = {
    {"qwen2", "tiny", 256, 512, 2, 4, 2, 512, 509, true, 2048, 1e6, 1e-6},
    {"qwen2", "0.5b", 896, 4864, 24, 14, 2, 151936, 151643, true, 32768, 1e6, 1e-6},
    {"qwen2", "1.5b", 1536, 8960, 28, 12, 2, 151936, 151643, true, 32768, 1e6, 1e-6},
    {"qwen2", "7b", 3584, 18944, 28, 28, 4, 152064, 151643, false, 32768, 1e6, 1e-6},
    {"llama3", "tiny", 256, 512, 2, 4, 2, 512, 508, false, 2048, 5e5, 1e-5},
    {"llama3", "1b", 2048, 8192, 16, 32, 8, 128256, 128000, true, 131072, 5e5, 1e-5},
    {"llama3", "8b", 4096, 14336, 32, 32, 8, 128256, 128000, false, 8192, 5e5, 1e-5},
};

constexpr const char* kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

enum TokenType : int64_t { kNormal = 1, kControl = 3, kUnused = 5 };

// xorshift64*: a stream per row, so that rows can be made in any order.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream) : state_(mixed(seed ^ mixed(stream + 1)) | 1) {}

  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Dull;
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double normal() {  // Box-Muller
    return std::sqrt(-2 * std::log(1 - uniform())) *
           std::cos(2 * 3.14159265358979323846 * uniform());
  }

 private:
  static uint64_t mixed(uint64_t x) {  // the finaliser of splitmix64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  }
  uint64_t state_;
};

// GPT-2's alphabet: each byte as a printable character.
std::vector<std::string> byte_characters() {
  std::vector<std::string> out(256);
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    append_utf8(out[static_cast<size_t>(byte)],
                is_printable ? static_cast<char32_t>(byte) : next++);
  }
  return out;
}

// Bytes, then merges of lower-case letters: pairs, triples, quadruples, with and without a space
// before them, until the vocabulary has n normal tokens.
void add_vocabulary(size_t n, std::vector<std::string>& tokens, std::vector<std::string>& merges) {
  tokens = byte_characters();
  const std::string space = tokens[' '];
  const auto merge = [&](const std::string& left, const std::string& right) {
    if (tokens.size() >= n) return;
    tokens.push_back(left + right);
    merges.push_back(left + " " + right);
  };
  std::vector<std::string> letters;
  for (char c = 'a'; c <= 'z'; ++c) letters.emplace_back(1, c);
  std::vector<std::string> pairs;
  for (const auto& a : letters) {
    for (const auto& b : letters) pairs.push_back(a + b);
  }
  for (const auto& a : letters) merge(space, a);
  for (const auto& a : letters) {
    for (const auto& b : letters) merge(a, b);
  }
  for (const auto& a : letters) {
    for (const auto& b : letters) merge(space + a, b);
  }
  for (const auto& pair : pairs) {
    for (const auto& c : letters) merge(pair, c);
  }
  for (const auto& pair : pairs) {
    for (const auto& c : letters) merge(space + pair, c);
  }
  for (const auto& pair : pairs) {
    for (const auto& other : pairs) merge(pair, other);
  }
}

Format fallback_of(Format format) {
  switch (format) {
    case Format::q4_k:
      return Format::q5_0;
    case Format::q5_k:
      return Format::q5_1;
    case Format::q6_k:
      return Format::q8_0;
    default:
      return Format::iq4_nl;  // of q2_k, q3_k, iq4_xs
  }
}

Format fitting(Format format, int64_t cols) {
  return weight_format(format).row_bytes(cols) ? format : fallback_of(format);
}

// The deviation of a weight's values that keeps activations near 1: 1 / sqrt(cols), less where a
// residual stream of 2 * layers branches adds up.
double deviation(const GgufTensor& tensor, const RandomModelShape& shape) {
  if (tensor.shape.rank() == 1) return 0.05;
  if (tensor.name == "token_embd.weight") return 0.05;
  const double unit = 1 / std::sqrt(static_cast<double>(tensor.shape.cols()));
  const bool ends_branch = tensor.name.find("attn_output") != std::string::npos ||
                           tensor.name.find("ffn_down") != std::string::npos;
  return ends_branch ? unit / std::sqrt(2.0 * shape.layers) : 2 * unit;
}

// A few thousand blocks of normally distributed weights, of which rows are then drawn: quantising
// billions of random numbers one by one would take minutes and make nothing better.
std::vector<std::byte> block_pool(const WeightFormat& format, double deviation, uint64_t seed) {
  const int64_t n_blocks = std::max<int64_t>(1 << 9, (1 << 17) / format.block_size / 2);
  const int64_t n = n_blocks * format.block_size;
  std::vector<float> values(static_cast<size_t>(n));
  Random random(seed, 0xB10C);
  for (float& x : values) x = static_cast<float>(random.normal() * deviation);
  std::vector<std::byte> blocks(static_cast<size_t>(n_blocks * format.block_bytes));
  format.quantize(blocks.data(), values.data(), n, nullptr);
  return blocks;
}

class TensorFiller {
 public:
  TensorFiller(const RandomModelShape& shape, uint64_t seed, ThreadPool& pool)
      : shape_(shape), seed_(seed), pool_(pool) {}

  std::vector<std::byte> fill(const GgufTensor& tensor, size_t index) {
    const WeightFormat& format = weight_format(tensor.format);
    const auto row_bytes = static_cast<size_t>(*format.row_bytes(tensor.shape.cols()));
    const auto n_rows = static_cast<size_t>(tensor.shape.rows());
    std::vector<std::byte> bytes(row_bytes * n_rows);
    if (tensor.shape.rank() == 1) {
      fill_vector(tensor, index, bytes);
      return bytes;
    }
    const std::vector<std::byte>& blocks = pool_of(format, deviation(tensor, shape_));
    const auto block_bytes = static_cast<size_t>(format.block_bytes);
    const size_t n_blocks = blocks.size() / block_bytes;
    pool_.parallel_for(n_rows, 1, [&](size_t begin, size_t end) {
      for (size_t row = begin; row < end; ++row) {
        Random random(seed_ + index, row);
        std::byte* out = bytes.data() + row * row_bytes;
        for (size_t at = 0; at < row_bytes; at += block_bytes) {
          const size_t block = (random.next() >> 32) % n_blocks;
          std::memcpy(out + at, blocks.data() + block * block_bytes, block_bytes);
        }
      }
    });
    return bytes;
  }

 private:
  // f32: norms lie around 1, biases around 0.
  void fill_vector(const GgufTensor& tensor, size_t index, std::vector<std::byte>& bytes) const {
    Random random(seed_ + index, 0);
    const double center = tensor.name.find("norm") != std::string::npos ? 1 : 0;
    for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
      const auto value = static_cast<float>(center + random.normal() * deviation(tensor, shape_));
      std::memcpy(bytes.data() + at, &value, sizeof(value));
    }
  }

  const std::vector<std::byte>& pool_of(const WeightFormat& format, double spread) {
    auto& blocks = pools_[{format.id, spread}];
    if (blocks.empty()) blocks = block_pool(format, spread, seed_);
    return blocks;
  }

  const RandomModelShape& shape_;
  uint64_t seed_;
  ThreadPool& pool_;
  std::map<std::pair<Format, double>, std::vector<std::byte>> pools_;
};

}  // namespace

std::vector<std::string> random_model_archs() {
  std::set<std::string> names;
  for (const RandomModelShape& shape : kShapes) names.insert(shape.arch);
  return {names.begin(), names.end()};
}

std::vector<std::string> random_model_shapes(const std::string& arch) {
  std::vector<std::string> names;
  for (const RandomModelShape& shape : kShapes) {
    if (shape.arch == arch) names.emplace_back(shape.name);
  }
  return names;
}

Result<RandomModelShape> find_random_model_shape(const std::string& arch, const std::string& name) {
  for (const RandomModelShape& shape : kShapes) {
    if (shape.arch == arch && shape.name == name) return shape;
  }
  std::string list;
  for (const std::string& one : random_model_shapes(arch)) list += (list.empty() ? "" : ", ") + one;
  return fail(ErrorKind::invalid_argument, "no shape '{}' of {}; there are {}", name, arch, list);
}

Metadata random_model_metadata(const RandomModelShape& shape) {
  const std::string arch = shape.is_qwen2() ? "qwen2" : "llama";
  Metadata out;
  auto& values = out.values;
  const auto number = [&](const std::string& key, int64_t value) {
    values[arch + "." + key] = static_cast<uint64_t>(value);
  };
  values["general.architecture"] = arch;
  values["general.name"] = fmt::format("random {} {}", shape.arch, shape.name);
  values["general.quantization_version"] = uint64_t{2};
  number("context_length", shape.context);
  number("embedding_length", shape.hidden);
  number("feed_forward_length", shape.intermediate);
  number("block_count", shape.layers);
  number("attention.head_count", shape.heads);
  number("attention.head_count_kv", shape.kv_heads);
  if (!shape.is_qwen2()) {
    number("rope.dimension_count", shape.head_dim());
    number("vocab_size", shape.vocab);
  }
  values[arch + ".rope.freq_base"] = shape.rope_theta;
  values[arch + ".attention.layer_norm_rms_epsilon"] = shape.rms_eps;

  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  add_vocabulary(static_cast<size_t>(shape.normal_tokens), tokens, merges);
  std::vector<int64_t> types(tokens.size(), kNormal);
  const auto special = [&](std::string text) {
    tokens.push_back(std::move(text));
    types.push_back(kControl);
    return static_cast<uint64_t>(tokens.size() - 1);
  };
  if (!shape.is_qwen2()) {
    values["tokenizer.ggml.bos_token_id"] = special("<|begin_of_text|>");
    values["tokenizer.ggml.add_bos_token"] = true;
  } else {
    values["tokenizer.ggml.add_bos_token"] = false;
  }
  values["tokenizer.ggml.padding_token_id"] =
      special(shape.is_qwen2() ? "<|endoftext|>" : "<|end_of_text|>");
  special("<|im_start|>");
  values["tokenizer.ggml.eos_token_id"] = special("<|im_end|>");
  while (tokens.size() < static_cast<size_t>(shape.vocab)) {
    tokens.push_back(fmt::format("[PAD{}]", tokens.size()));
    types.push_back(kUnused);
  }
  values["tokenizer.ggml.model"] = std::string("gpt2");
  values["tokenizer.ggml.pre"] = std::string(shape.is_qwen2() ? "qwen2" : "llama-bpe");
  values["tokenizer.ggml.tokens"] = std::move(tokens);
  values["tokenizer.ggml.token_type"] = std::move(types);
  values["tokenizer.ggml.merges"] = std::move(merges);
  values["tokenizer.chat_template"] = std::string(kChatMl);
  return out;
}

std::vector<GgufTensor> random_model_tensors(const RandomModelShape& shape, Format format) {
  const bool is_quantised = weight_format(format).block_size > 1;
  const Format head = is_quantised ? Format::q6_k : format;
  std::vector<GgufTensor> out;
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols, Format wanted) {
    out.push_back({name, fitting(wanted, cols), Shape{rows, cols}});
  };
  const auto vector = [&](const std::string& name, int64_t n) {
    out.push_back({name, Format::f32, Shape{n}});
  };
  const int64_t hidden = shape.hidden;
  const int64_t kv = int64_t{shape.kv_heads} * shape.head_dim();
  matrix("token_embd.weight", shape.vocab, hidden, shape.tied ? head : format);
  for (int32_t i = 0; i < shape.layers; ++i) {
    const std::string block = fmt::format("blk.{}.", i);
    vector(block + "attn_norm.weight", hidden);
    matrix(block + "attn_q.weight", hidden, hidden, format);
    matrix(block + "attn_k.weight", kv, hidden, format);
    matrix(block + "attn_v.weight", kv, hidden, format);
    if (shape.is_qwen2()) {
      vector(block + "attn_q.bias", hidden);
      vector(block + "attn_k.bias", kv);
      vector(block + "attn_v.bias", kv);
    }
    matrix(block + "attn_output.weight", hidden, hidden, format);
    vector(block + "ffn_norm.weight", hidden);
    matrix(block + "ffn_gate.weight", shape.intermediate, hidden, format);
    matrix(block + "ffn_up.weight", shape.intermediate, hidden, format);
    matrix(block + "ffn_down.weight", hidden, shape.intermediate, format);
  }
  vector("output_norm.weight", hidden);
  if (!shape.tied) matrix("output.weight", shape.vocab, hidden, head);
  return out;
}

Result<uint64_t> write_random_model(const std::string& path, const RandomModelShape& shape,
                                    Format format, ThreadPool& pool,
                                    const RandomModelOptions& options) {
  const std::vector<GgufTensor> tensors = random_model_tensors(shape, format);
  uint64_t total = 0;
  for (const GgufTensor& tensor : tensors) {
    const WeightFormat& one = weight_format(tensor.format);
    if (!one.quantize) {
      return fail(ErrorKind::unsupported, "jiang cannot write the type {}; choose another",
                  one.name);
    }
    total += *one.row_bytes(tensor.shape.cols()) * static_cast<uint64_t>(tensor.shape.rows());
  }
  TRY(GgufWriter writer, GgufWriter::create(path, random_model_metadata(shape), tensors));
  TensorFiller filler(shape, options.seed, pool);
  uint64_t done = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::vector<std::byte> bytes = filler.fill(tensors[i], i);
    TRY_STATUS(writer.write_tensor(bytes));
    done += bytes.size();
    if (options.progress && !options.progress(done, total)) {
      return fail(ErrorKind::cancelled, "interrupted; {} is as it was", path);
    }
  }
  TRY_STATUS(writer.commit());
  return writer.file_bytes();
}

}  // namespace jiang
