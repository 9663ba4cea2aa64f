#include "tests/support/tiny_model.h"

#include <cmath>
#include <numbers>
#include <stdexcept>

namespace jiang {
namespace {

// splitmix64 and Box-Muller: the standard library's distributions differ between machines.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  double uniform() { return (static_cast<double>(next() >> 11) + 0.5) * 0x1p-53; }
  double normal() {
    return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  uint64_t state_;
};

constexpr int64_t kVocabulary = 259;  // 256 bytes and three special tokens
constexpr int64_t kContext = 256;

class Builder {
 public:
  Builder(std::string_view fixture, uint64_t seed) : random_(seed * 1000003 + fixture.size()) {
    model_.fixture = fixture;
    for (const char c : fixture) random_ = Random(random_.next() + static_cast<uint64_t>(c));
  }

  TinyModel build() {
    const std::string& f = model_.fixture;
    if (f == "gpt2") {
      gpt2();
    } else if (f == "bert") {
      bert();
    } else if (f == "chatglm") {
      chatglm();
    } else {
      llama_like();
    }
    return std::move(model_);
  }

 private:
  // Normal with spread 1 / sqrt(in); every 23rd input channel is five times as loud, as in the
  // residual streams of trained models.
  void matrix(const std::string& name, int64_t out, int64_t in, double gain = 1,
              bool is_transposed = false) {
    TinyTensor t{name, is_transposed ? std::vector{in, out} : std::vector{out, in}, {}};
    t.values.resize(static_cast<size_t>(out * in));
    const double spread = gain / std::sqrt(static_cast<double>(in));
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < in; ++i) {
        const double value = random_.normal() * spread * (i % 23 == 7 ? 5 : 1);
        t.values[static_cast<size_t>(is_transposed ? i * out + o : o * in + i)] =
            static_cast<float>(value);
      }
    }
    model_.tensors.push_back(std::move(t));
  }
  void vector(const std::string& name, int64_t n, double mean, double spread) {
    TinyTensor t{name, {n}, {}};
    for (int64_t i = 0; i < n; ++i)
      t.values.push_back(static_cast<float>(mean + spread * random_.normal()));
    model_.tensors.push_back(std::move(t));
  }
  void norm(const std::string& name, int64_t n, bool has_bias = false) {
    const bool adds_one = model_.fixture.starts_with("gemma");
    vector(name + ".weight", n, adds_one ? 0 : 1, 0.3);
    if (has_bias) vector(name + ".bias", n, 0, 0.2);
  }
  void biased(const std::string& name, int64_t out, int64_t in, bool is_transposed = false) {
    matrix(name + ".weight", out, in, 1, is_transposed);
    vector(name + ".bias", out, 0, 0.3);
  }

  void llama_like() {
    const std::string& f = model_.fixture;
    const bool gemma = f.starts_with("gemma"), glm4 = f == "glm4" || f == "glm", phi3 = f == "phi3";
    int64_t hidden = 96, ffn = 160, heads = 6, kv_heads = 2, head_dim = 16, layers = 2;
    if (f == "qwen3") heads = 9, kv_heads = 3;  // wider than hidden
    if (gemma) heads = 5, kv_heads = 1, head_dim = 32;
    if (f == "gemma2") layers = 3;
    if (f == "gemma3") layers = 7;  // five local ones, a global, a local
    if (f == "qwen2") heads = 3, kv_heads = 1, head_dim = 32;
    if (glm4) heads = 3, kv_heads = 3, head_dim = 32;

    const char* const names[][3] = {{"llama", "LlamaForCausalLM", "llama"},
                                    {"mistral", "MistralForCausalLM", "mistral"},
                                    {"qwen2", "Qwen2ForCausalLM", "qwen2"},
                                    {"qwen3", "Qwen3ForCausalLM", "qwen3"},
                                    {"phi3", "Phi3ForCausalLM", "phi3"},
                                    {"gemma2", "Gemma2ForCausalLM", "gemma2"},
                                    {"gemma3", "Gemma3ForCausalLM", "gemma3_text"},
                                    {"glm", "GlmForCausalLM", "glm"},
                                    {"glm4", "Glm4ForCausalLM", "glm4"}};
    for (const auto& row : names) {
      if (!f.starts_with(row[0])) continue;
      model_.config["architectures"] = Json::array({row[1]});
      model_.config["model_type"] = row[2];
      model_.gguf_architecture = f == "mistral" ? "llama" : row[0];
    }
    Json& c = model_.config;
    c["vocab_size"] = kVocabulary;
    c["hidden_size"] = hidden;
    c["intermediate_size"] = ffn;
    c["num_hidden_layers"] = layers;
    c["num_attention_heads"] = heads;
    c["num_key_value_heads"] = kv_heads;
    c["head_dim"] = head_dim;
    c["max_position_embeddings"] = kContext;
    c["rms_norm_eps"] = 1e-5;
    c["hidden_act"] = "silu";
    c["rope_theta"] = f == "qwen2" ? 1e6 : 1e4;
    c["bos_token_id"] = 256;
    c["eos_token_id"] = 257;
    const bool tied = gemma || f == "qwen2" || f == "llama3";
    c["tie_word_embeddings"] = tied;
    if (f == "llama3") {
      c["rope_scaling"] = {{"rope_type", "llama3"},
                           {"factor", 8.0},
                           {"low_freq_factor", 1.0},
                           {"high_freq_factor", 4.0},
                           {"original_max_position_embeddings", 64}};
    }
    if (f == "llama-linear") c["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
    if (f == "llama-yarn") {
      c["rope_scaling"] = {
          {"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
    }
    if (f == "mistral") c["sliding_window"] = 20;
    if (f == "qwen2")
      c["use_sliding_window"] = false, c["sliding_window"] = 20, c["max_window_layers"] = 1;
    if (f == "qwen2-window")
      c["use_sliding_window"] = true, c["sliding_window"] = 20, c["max_window_layers"] = 1;
    if (phi3) {
      c["sliding_window"] = 40;
      c["original_max_position_embeddings"] = 64;
      Json slow = Json::array(), fast = Json::array();
      for (int64_t i = 0; i < head_dim / 2; ++i) {
        slow.push_back(1.0 + 0.75 * static_cast<double>(i));
        fast.push_back(1.0 + 0.0625 * static_cast<double>(i));
      }
      c["rope_scaling"] = {{"type", "longrope"}, {"short_factor", fast}, {"long_factor", slow}};
    }
    if (gemma) {
      c["hidden_act"] = "gelu_pytorch_tanh";
      c["hidden_activation"] = "gelu_pytorch_tanh";
      c["sliding_window"] = 20;
      // Not the head's 32 in HF form; GGUF has no key for it and takes the head's.
      c["query_pre_attn_scalar"] = 32;
    }
    if (f == "gemma2") c["attn_logit_softcapping"] = 5.0, c["final_logit_softcapping"] = 10.0;
    if (f == "gemma3") {
      c["rope_local_base_freq"] = 10000.0;
      c["rope_theta"] = 1e6;
      c["sliding_window_pattern"] = 6;
    }
    if (glm4) c["partial_rotary_factor"] = 0.5, c["attention_bias"] = true;

    const int64_t q = heads * head_dim, kv = kv_heads * head_dim;
    const bool qkv_bias = f.starts_with("qwen2") || glm4;
    matrix("model.embed_tokens.weight", kVocabulary, hidden, gemma ? 1 : 3);
    for (int64_t i = 0; i < layers; ++i) {
      const std::string l = "model.layers." + std::to_string(i) + ".";
      norm(l + "input_layernorm", hidden);
      if (phi3) {
        matrix(l + "self_attn.qkv_proj.weight", q + 2 * kv, hidden);
      } else {
        for (const auto& [name, rows] : {std::pair{"q", q}, {"k", kv}, {"v", kv}}) {
          matrix(l + "self_attn." + name + "_proj.weight", rows, hidden);
          if (qkv_bias) vector(l + "self_attn." + name + "_proj.bias", rows, 0, 0.5);
        }
      }
      if (f == "qwen3" || f == "gemma3") {
        norm(l + "self_attn.q_norm", head_dim);
        norm(l + "self_attn.k_norm", head_dim);
      }
      matrix(l + "self_attn.o_proj.weight", hidden, q);
      if (f == "glm4") norm(l + "post_self_attn_layernorm", hidden);
      norm(l + "post_attention_layernorm", hidden);
      if (gemma) norm(l + "pre_feedforward_layernorm", hidden);
      if (phi3 || glm4) {
        matrix(l + "mlp.gate_up_proj.weight", 2 * ffn, hidden);
      } else {
        matrix(l + "mlp.gate_proj.weight", ffn, hidden);
        matrix(l + "mlp.up_proj.weight", ffn, hidden);
      }
      matrix(l + "mlp.down_proj.weight", hidden, ffn);
      if (gemma) norm(l + "post_feedforward_layernorm", hidden);
      if (f == "glm4") norm(l + "post_mlp_layernorm", hidden);
    }
    norm("model.norm", hidden);
    if (!tied) matrix("lm_head.weight", kVocabulary, hidden, 2);
  }

  void chatglm() {
    constexpr int64_t hidden = 96, ffn = 160, heads = 3, groups = 1, head_dim = 32, layers = 2;
    model_.gguf_architecture = "chatglm";
    model_.config = {{"architectures", {"ChatGLMModel"}},
                     {"model_type", "chatglm"},
                     {"padded_vocab_size", kVocabulary},
                     {"vocab_size", kVocabulary},
                     {"hidden_size", hidden},
                     {"ffn_hidden_size", ffn},
                     {"num_layers", layers},
                     {"num_attention_heads", heads},
                     {"kv_channels", head_dim},
                     {"multi_query_attention", true},
                     {"multi_query_group_num", groups},
                     {"seq_length", kContext},
                     {"layernorm_epsilon", 1e-5},
                     {"add_qkv_bias", true},
                     {"add_bias_linear", false},
                     {"rmsnorm", true},
                     {"post_layer_norm", true},
                     {"original_rope", true},
                     {"apply_residual_connection_post_layernorm", false},
                     {"rope_ratio", 50},
                     {"tie_word_embeddings", false},
                     {"eos_token_id", 257},
                     {"pad_token_id", 258}};
    matrix("transformer.embedding.word_embeddings.weight", kVocabulary, hidden, 3);
    for (int64_t i = 0; i < layers; ++i) {
      const std::string l = "transformer.encoder.layers." + std::to_string(i) + ".";
      norm(l + "input_layernorm", hidden);
      biased(l + "self_attention.query_key_value", (heads + 2 * groups) * head_dim, hidden);
      matrix(l + "self_attention.dense.weight", hidden, heads * head_dim);
      norm(l + "post_attention_layernorm", hidden);
      matrix(l + "mlp.dense_h_to_4h.weight", 2 * ffn, hidden);
      matrix(l + "mlp.dense_4h_to_h.weight", hidden, ffn);
    }
    norm("transformer.encoder.final_layernorm", hidden);
    matrix("transformer.output_layer.weight", kVocabulary, hidden, 2);
  }

  void gpt2() {
    constexpr int64_t hidden = 96, heads = 3, layers = 2;
    model_.gguf_architecture = "gpt2";
    model_.config = {{"architectures", {"GPT2LMHeadModel"}},
                     {"model_type", "gpt2"},
                     {"vocab_size", kVocabulary},
                     {"n_embd", hidden},
                     {"n_layer", layers},
                     {"n_head", heads},
                     {"n_positions", kContext},
                     {"n_ctx", kContext},
                     {"layer_norm_epsilon", 1e-5},
                     {"activation_function", "gelu_new"},
                     {"bos_token_id", 256},
                     {"eos_token_id", 257}};
    matrix("transformer.wte.weight", kVocabulary, hidden, 3);
    matrix("transformer.wpe.weight", kContext, hidden, 2);
    for (int64_t i = 0; i < layers; ++i) {
      const std::string l = "transformer.h." + std::to_string(i) + ".";
      norm(l + "ln_1", hidden, true);
      biased(l + "attn.c_attn", 3 * hidden, hidden, true);
      biased(l + "attn.c_proj", hidden, hidden, true);
      norm(l + "ln_2", hidden, true);
      biased(l + "mlp.c_fc", 4 * hidden, hidden, true);
      biased(l + "mlp.c_proj", hidden, 4 * hidden, true);
    }
    norm("transformer.ln_f", hidden, true);
  }

  void bert() {
    constexpr int64_t hidden = 96, ffn = 160, heads = 3, layers = 2, vocabulary = 64;
    model_.gguf_architecture = "bert";
    model_.config = {{"architectures", {"BertModel"}},
                     {"model_type", "bert"},
                     {"vocab_size", vocabulary},
                     {"hidden_size", hidden},
                     {"intermediate_size", ffn},
                     {"num_hidden_layers", layers},
                     {"num_attention_heads", heads},
                     {"max_position_embeddings", kContext},
                     {"type_vocab_size", 2},
                     {"layer_norm_eps", 1e-12},
                     {"hidden_act", "gelu"},
                     {"position_embedding_type", "absolute"},
                     {"pad_token_id", 0}};
    const std::string e = "bert.embeddings.";
    matrix(e + "word_embeddings.weight", vocabulary, hidden, 3);
    matrix(e + "position_embeddings.weight", kContext, hidden, 2);
    matrix(e + "token_type_embeddings.weight", 2, hidden, 2);
    norm(e + "LayerNorm", hidden, true);
    for (int64_t i = 0; i < layers; ++i) {
      const std::string l = "bert.encoder.layer." + std::to_string(i) + ".";
      for (const char* name : {"attention.self.query", "attention.self.key", "attention.self.value",
                               "attention.output.dense"}) {
        biased(l + name, hidden, hidden);
      }
      norm(l + "attention.output.LayerNorm", hidden, true);
      biased(l + "intermediate.dense", ffn, hidden);
      biased(l + "output.dense", hidden, ffn);
      norm(l + "output.LayerNorm", hidden, true);
    }
  }

  Random random_;
  TinyModel model_;
};

}  // namespace

const TinyTensor& TinyModel::tensor(std::string_view name) const {
  for (const TinyTensor& t : tensors) {
    if (t.name == name) return t;
  }
  throw std::runtime_error("tiny model has no tensor " + std::string(name));
}

std::vector<std::string> tiny_fixtures() {
  return {"llama",        "llama3", "llama-linear", "llama-yarn", "mistral", "qwen2",
          "qwen2-window", "qwen3",  "phi3",         "gemma2",     "gemma3",  "chatglm",
          "glm",          "glm4",   "gpt2",         "bert"};
}

bool has_gguf_form(std::string_view fixture) {
  return fixture != "qwen2-window" && fixture != "glm";
}

TinyModel make_tiny_model(std::string_view fixture, uint64_t seed) {
  return Builder(fixture, seed).build();
}

}  // namespace jiang
