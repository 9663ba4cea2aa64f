// Tiny models as files. What a GGUF file holds is written out here key by key, from llama.cpp's
// converter, and not taken from src/: it is what src/weights is tested against.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "base/file.h"
#include "base/metadata.h"
#include "convert/gguf_writer.h"
#include "quant/weight_format.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

void check(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

std::vector<std::byte> encode(const TinyTensor& t, Format format) {
  if (t.shape.size() == 1) format = Format::f32;
  const WeightFormat& f = weight_format(format);
  const int64_t cols = t.shape.back();
  const auto row_bytes = static_cast<size_t>(f.row_bytes(cols).value());
  const size_t rows = t.values.size() / static_cast<size_t>(cols);
  std::vector<std::byte> bytes(rows * row_bytes);
  for (size_t i = 0; i < rows; ++i) {
    f.quantize(bytes.data() + i * row_bytes, t.values.data() + i * static_cast<size_t>(cols), cols,
               nullptr);
  }
  return bytes;
}

// ---- tokenizers: one id per byte, or per letter

// GPT-2's spelling of a byte as a printable character.
std::string byte_symbol(int byte) {
  int code = byte;
  const auto is_plain = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  if (!is_plain(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += !is_plain(b);
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}
const char* const kSpecials[] = {"<|bos|>", "<|eos|>", "<|pad|>"};

std::vector<std::string> word_pieces() {
  std::vector<std::string> words = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".",
                                    ",",     "?",     "!",     "-",     "'",      "0"};
  for (char c = 'a'; c <= 'z'; ++c) words.push_back(std::string(1, c));
  for (char c = 'a'; c <= 'z'; ++c) words.push_back(std::string("##") + c);
  return words;
}

std::string tokenizer_json(bool is_word_piece) {
  Json json = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  Json vocabulary = Json::object(), added = Json::array();
  const auto add_special = [&](int id, const std::string& text) {
    added.push_back({{"id", id},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  };
  if (is_word_piece) {
    int id = 0;
    for (const std::string& word : word_pieces()) {
      if (id < 5) add_special(id, word);
      vocabulary[word] = id++;
    }
    json["added_tokens"] = added;
    json["normalizer"] = {{"type", "BertNormalizer"},
                          {"clean_text", true},
                          {"handle_chinese_chars", true},
                          {"strip_accents", nullptr},
                          {"lowercase", true}};
    json["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
    const auto special = [](const char* name) {
      return Json{{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
    };
    const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
    json["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", Json::array({special("[CLS]"), text, special("[SEP]")})},
        {"pair", Json::array({special("[CLS]"), text, special("[SEP]")})},
        {"special_tokens",
         {{"[CLS]", {{"id", "[CLS]"}, {"ids", {2}}, {"tokens", {"[CLS]"}}}},
          {"[SEP]", {{"id", "[SEP]"}, {"ids", {3}}, {"tokens", {"[SEP]"}}}}}}};
    json["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
    json["model"] = {{"type", "WordPiece"},
                     {"unk_token", "[UNK]"},
                     {"continuing_subword_prefix", "##"},
                     {"max_input_chars_per_word", 100},
                     {"vocab", vocabulary}};
    return to_string(json, 1);
  }
  for (int b = 0; b < 256; ++b) vocabulary[byte_symbol(b)] = b;
  for (int i = 0; i < 3; ++i) add_special(256 + i, kSpecials[i]);
  json["added_tokens"] = added;
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  json["post_processor"] = nullptr;
  json["decoder"] = {{"type", "ByteLevel"},
                     {"add_prefix_space", true},
                     {"trim_offsets", true},
                     {"use_regex", true}};
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"vocab", vocabulary},
                   {"merges", Json::array()}};
  return to_string(json, 1);
}

void add_tokenizer(Metadata& m, bool is_word_piece) {
  std::vector<std::string> tokens;
  std::vector<int64_t> types;  // 1 normal, 3 control
  if (is_word_piece) {
    // llama.cpp marks beginnings of words instead of continuations.
    for (const std::string& word : word_pieces()) {
      const bool is_special = tokens.size() < 5;
      tokens.push_back(is_special               ? word
                       : word.starts_with("##") ? word.substr(2)
                                                : "\xe2\x96\x81" + word);
      types.push_back(is_special ? 3 : 1);
    }
    m.values["tokenizer.ggml.model"] = std::string("bert");
    m.values["tokenizer.ggml.pre"] = std::string("jina-v2-en");
    m.values["tokenizer.ggml.cls_token_id"] = uint64_t{2};
    m.values["tokenizer.ggml.bos_token_id"] = uint64_t{2};
    m.values["tokenizer.ggml.eos_token_id"] = uint64_t{3};
    m.values["tokenizer.ggml.seperator_token_id"] = uint64_t{3};
    m.values["tokenizer.ggml.padding_token_id"] = uint64_t{0};
    m.values["tokenizer.ggml.unknown_token_id"] = uint64_t{1};
    m.values["tokenizer.ggml.token_type_count"] = uint64_t{2};
  } else {
    for (int b = 0; b < 256; ++b) tokens.push_back(byte_symbol(b)), types.push_back(1);
    for (const char* special : kSpecials) tokens.push_back(special), types.push_back(3);
    m.values["tokenizer.ggml.model"] = std::string("gpt2");
    m.values["tokenizer.ggml.pre"] = std::string("gpt-2");
    // An empty array has no type of its own, and llama.cpp wants strings here: one merge of two
    // bytes that UTF-8 never has, in the place of the padding token.
    tokens[258] = byte_symbol(254) + byte_symbol(255);
    types[258] = 1;
    m.values["tokenizer.ggml.merges"] =
        std::vector<std::string>{byte_symbol(254) + " " + byte_symbol(255)};
    m.values["tokenizer.ggml.bos_token_id"] = uint64_t{256};
    m.values["tokenizer.ggml.eos_token_id"] = uint64_t{257};
    m.values["tokenizer.ggml.add_bos_token"] = false;
  }
  m.values["tokenizer.ggml.tokens"] = tokens;
  m.values["tokenizer.ggml.token_type"] = types;
}

// ---- GGUF

Metadata gguf_metadata(const TinyModel& model) {
  const Json& c = model.config;
  const std::string& arch = model.gguf_architecture;
  const bool gpt2 = arch == "gpt2", glm = arch == "chatglm", bert = arch == "bert";
  Metadata m;
  const auto integer = [&](const char* key, uint64_t value) { m.values[arch + "." + key] = value; };
  const auto real = [&](const char* key, double value) { m.values[arch + "." + key] = value; };
  const auto get = [&](const char* key) { return c.at(key).get<uint64_t>(); };
  m.values["general.architecture"] = arch;
  // llama.cpp looks for "phi3" in the name and then for that model's special tokens.
  m.values["general.name"] = "tiny " + (model.fixture == "phi3" ? "phi" : model.fixture);
  integer("context_length", get(gpt2  ? "n_positions"
                                : glm ? "seq_length"
                                      : "max_position_embeddings"));
  integer("embedding_length", get(gpt2 ? "n_embd" : "hidden_size"));
  integer("block_count", get(gpt2 ? "n_layer" : glm ? "num_layers" : "num_hidden_layers"));
  integer("feed_forward_length",
          gpt2 ? 4 * get("n_embd") : get(glm ? "ffn_hidden_size" : "intermediate_size"));
  integer("attention.head_count", get(gpt2 ? "n_head" : "num_attention_heads"));
  add_tokenizer(m, bert);
  if (gpt2 || bert) {
    real("attention.layer_norm_epsilon",
         c.at(gpt2 ? "layer_norm_epsilon" : "layer_norm_eps").get<double>());
    if (bert) {
      m.values["bert.attention.causal"] = false;
      integer("pooling_type", 1);
    }
    return m;
  }
  const uint64_t head_dim = get(glm ? "kv_channels" : "head_dim");
  integer("attention.head_count_kv", get(glm ? "multi_query_group_num" : "num_key_value_heads"));
  real("attention.layer_norm_rms_epsilon",
       c.at(glm ? "layernorm_epsilon" : "rms_norm_eps").get<double>());
  real("rope.freq_base",
       glm ? 10000 * c.at("rope_ratio").get<double>() : c.at("rope_theta").get<double>());
  const bool half = glm || arch == "glm4";
  integer("rope.dimension_count", half ? head_dim / 2 : head_dim);
  integer("attention.key_length", head_dim);
  integer("attention.value_length", head_dim);
  if (arch == "llama") integer("vocab_size", get("vocab_size"));

  if (c.contains("sliding_window") && arch != "qwen2")
    integer("attention.sliding_window", get("sliding_window"));
  if (arch == "gemma2") {
    real("attn_logit_softcapping", c.at("attn_logit_softcapping").get<double>());
    real("final_logit_softcapping", c.at("final_logit_softcapping").get<double>());
  }
  if (const Json* scaling = find_member(c, "rope_scaling")) {
    const std::string type = scaling->value("rope_type", scaling->value("type", ""));
    if (type == "linear" || type == "yarn") {
      m.values[arch + ".rope.scaling.type"] = type;
      real("rope.scaling.factor", scaling->at("factor").get<double>());
    }
    if (type == "yarn")
      integer("rope.scaling.original_context_length",
              scaling->at("original_max_position_embeddings").get<uint64_t>());
    if (type == "longrope") {
      const double trained = c.at("max_position_embeddings"),
                   original = c.at("original_max_position_embeddings");
      integer("rope.scaling.original_context_length", get("original_max_position_embeddings"));
      real("rope.scaling.attn_factor",
           std::sqrt(1 + std::log(trained / original) / std::log(original)));
    }
  }
  return m;
}

struct Rename {
  const char* hf;
  const char* gguf;
};
// Longest first where one is a part of another.
const Rename kRenames[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.", "blk."},
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"post_self_attn_layernorm", "post_attention_norm"},
    {"post_mlp_layernorm", "post_ffw_norm"},
    // ChatGLM
    {"transformer.embedding.word_embeddings", "token_embd"},
    {"transformer.encoder.final_layernorm", "output_norm"},
    {"transformer.output_layer", "output"},
    {"transformer.encoder.layers.", "blk."},
    {"self_attention.query_key_value", "attn_qkv"},
    {"self_attention.dense", "attn_output"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"mlp.dense_4h_to_h", "ffn_down"},
    // GPT-2
    {"transformer.wte", "token_embd"},
    {"transformer.wpe", "position_embd"},
    {"transformer.ln_f", "output_norm"},
    {"transformer.h.", "blk."},
    {"ln_1", "attn_norm"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},
    {"ln_2", "ffn_norm"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
    // BERT
    {"bert.embeddings.word_embeddings", "token_embd"},
    {"bert.embeddings.position_embeddings", "position_embd"},
    {"bert.embeddings.token_type_embeddings", "token_types"},
    {"bert.embeddings.LayerNorm", "token_embd_norm"},
    {"bert.encoder.layer.", "blk."},
    {"attention.self.query", "attn_q"},
    {"attention.self.key", "attn_k"},
    {"attention.self.value", "attn_v"},
    {"attention.output.dense", "attn_output"},
    {"attention.output.LayerNorm", "attn_output_norm"},
    {"intermediate.dense", "ffn_up"},
    {"output.dense", "ffn_down"},
    {"output.LayerNorm", "layer_output_norm"},
};

std::string gguf_name(const TinyModel& model, std::string name) {
  // The one name that means two things: before the feed-forward, or after attention.
  const bool is_post = model.fixture.starts_with("gemma");
  const size_t at = name.find("post_attention_layernorm");
  if (at != std::string::npos) name.replace(at, 24, is_post ? "post_attention_norm" : "ffn_norm");
  for (const Rename& rename : kRenames) {
    const size_t found = name.find(rename.hf);
    if (found != std::string::npos) name.replace(found, std::strlen(rename.hf), rename.gguf);
  }
  return name;
}

TinyTensor gguf_tensor(const TinyModel& model, const TinyTensor& hf) {
  TinyTensor t{gguf_name(model, hf.name), hf.shape, hf.values};
  const std::string& arch = model.gguf_architecture;
  if (arch == "gpt2" && t.shape.size() == 2 &&
      t.name.starts_with("blk.")) {  // (in, out) -> (out, in)
    std::swap(t.shape[0], t.shape[1]);
    for (int64_t o = 0; o < t.shape[0]; ++o) {
      for (int64_t i = 0; i < t.shape[1]; ++i) {
        t.values[static_cast<size_t>(o * t.shape[1] + i)] =
            hf.values[static_cast<size_t>(i * t.shape[0] + o)];
      }
    }
  }
  if (arch == "llama" && (t.name.find("attn_q.") != std::string::npos ||
                          t.name.find("attn_k.") != std::string::npos)) {
    // Rows (j, i) of each head, j < 2, become (i, j): rope then turns neighbours.
    const int64_t half = model.config.at("head_dim").get<int64_t>() / 2;
    const int64_t cols = t.shape.size() == 2 ? t.shape[1] : 1;
    for (int64_t row = 0; row < t.shape[0]; ++row) {
      const int64_t head = row / (2 * half), j = row / half % 2, i = row % half;
      const int64_t to = head * 2 * half + 2 * i + j;
      std::copy_n(hf.values.begin() + row * cols, cols, t.values.begin() + to * cols);
    }
  }
  if (arch.starts_with("gemma") && t.name.find("norm") != std::string::npos) {
    for (float& value : t.values) value += 1;
  }
  return t;
}

// What GGUF keeps as tensors and HF in config.json.
void add_rope_factors(const TinyModel& model, std::vector<TinyTensor>& tensors) {
  const Json* scaling = find_member(model.config, "rope_scaling");
  if (!scaling) return;
  const auto half = model.config.at("head_dim").get<int64_t>() / 2;
  if (scaling->contains("long_factor")) {
    for (const char* which : {"long", "short"}) {
      tensors.push_back({"rope_factors_" + std::string(which) + ".weight",
                         {half},
                         scaling->at(which + std::string("_factor")).get<std::vector<float>>()});
    }
  }
  if (scaling->value("rope_type", "") == "llama3") {
    const double factor = scaling->at("factor"), low = scaling->at("low_freq_factor"),
                 high = scaling->at("high_freq_factor");
    const double original = scaling->at("original_max_position_embeddings");
    TinyTensor t{"rope_freqs.weight", {half}, {}};
    for (int64_t i = 0; i < half; ++i) {
      const double wavelength = 2 * 3.14159265358979323846 *
                                std::pow(model.config.at("rope_theta").get<double>(),
                                         static_cast<double>(i) / static_cast<double>(half));
      double divisor = factor;
      if (wavelength < original / high) {
        divisor = 1;
      } else if (wavelength <= original / low) {
        const double smooth = (original / wavelength - low) / (high - low);
        divisor = 1 / ((1 - smooth) / factor + smooth);
      }
      t.values.push_back(static_cast<float>(divisor));
    }
    tensors.push_back(std::move(t));
  }
}

}  // namespace

void write_hf_folder(const TinyModel& model, const std::string& folder, Format format) {
  std::filesystem::create_directories(folder);
  check(write_file(folder + "/config.json", to_string(model.config, 2)));
  check(write_file(folder + "/tokenizer.json", tokenizer_json(model.gguf_architecture == "bert")));
  Json header = Json::object();
  header["__metadata__"] = {{"format", "pt"}};
  std::string data;
  for (const TinyTensor& t : model.tensors) {
    const Format stored = t.shape.size() == 1 ? Format::f32 : format;
    const auto bytes = encode(t, stored);
    const char* dtype = stored == Format::f32 ? "F32" : stored == Format::f16 ? "F16" : "BF16";
    header[t.name] = {{"dtype", dtype},
                      {"shape", t.shape},
                      {"data_offsets", {data.size(), data.size() + bytes.size()}}};
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string text = to_string(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size();
  std::string file(reinterpret_cast<const char*>(&size), 8);
  check(write_file(folder + "/model.safetensors", file + text + data));
}

void write_gguf(const TinyModel& model, const std::string& path, Format format) {
  if (!has_gguf_form(model.fixture))
    throw std::runtime_error("GGUF has no form of " + model.fixture);
  std::vector<TinyTensor> tensors;
  for (const TinyTensor& t : model.tensors) tensors.push_back(gguf_tensor(model, t));
  add_rope_factors(model, tensors);
  std::vector<GgufTensor> layout;
  for (const TinyTensor& t : tensors) {
    const std::vector<uint64_t> dims(t.shape.begin(), t.shape.end());
    layout.push_back(
        {t.name, t.shape.size() == 1 ? Format::f32 : format, *Shape::make(dims, t.name)});
  }
  auto writer = GgufWriter::create(path, gguf_metadata(model), layout);
  if (!writer) throw std::runtime_error(writer.error().message);
  for (const TinyTensor& t : tensors) check(writer->write_tensor(encode(t, format)));
  check(writer->commit());
}

}  // namespace jiang
