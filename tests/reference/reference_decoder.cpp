#include "tests/reference/reference_decoder.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <stdexcept>
#include <string>

#include "base/json_value.h"
#include "quant/float16.h"

namespace jiang {
namespace {

using Vector = std::vector<double>;
struct Matrix {
  size_t rows = 0, cols = 0;
  Vector v;
  Matrix() = default;
  Matrix(size_t r, size_t c) : rows(r), cols(c), v(r * c) {}
  double* row(size_t i) { return v.data() + i * cols; }
  const double* row(size_t i) const { return v.data() + i * cols; }
};

// ---- what the config says, family by family

struct Spec {
  std::string family;
  size_t layers, heads, kv_heads, head_dim, rotary;
  double eps, scale, softcap = 0, final_softcap = 0, embedding_scale = 1;
  std::string activation;
  bool pairs = false;  // rope turns (2i, 2i + 1)
  bool qk_norm = false, post_norms = false, layer_norm = false, adds_one = false;
  std::vector<size_t> window;  // per layer, 0: all
  Vector inv_freq, local_inv_freq;
  double rope_factor = 1;  // cos and sin are multiplied by it
};

double number(const Json& json, const char* key, double otherwise) {
  const Json* found = find_member(json, key);
  return found ? found->get<double>() : otherwise;
}
size_t count(const Json& json, const char* key) { return json.at(key).get<size_t>(); }
std::string word(const Json& json, const char* key, const char* otherwise) {
  const Json* found = find_member(json, key);
  return found ? found->get<std::string>() : otherwise;
}

Vector frequencies(double theta, size_t rotary) {
  Vector f(rotary / 2);
  for (size_t i = 0; i < f.size(); ++i) f[i] = 1 / std::pow(theta, 2.0 * i / rotary);
  return f;
}

// modeling_rope_utils.py
void scale_rope(const Json& json, const TensorSource& source, int context, double theta, Spec& s) {
  const Json* scaling = find_member(json, "rope_scaling");
  const double trained = number(json, "max_position_embeddings", 2048);
  if (scaling) {
    const std::string type = word(*scaling, "rope_type", word(*scaling, "type", "").c_str());
    const double factor = number(*scaling, "factor", 1);
    const double original = number(*scaling, "original_max_position_embeddings",
                                   number(json, "original_max_position_embeddings", trained));
    if (type == "linear") {
      for (double& f : s.inv_freq) f /= factor;
    } else if (type == "llama3") {
      const double low = scaling->at("low_freq_factor"), high = scaling->at("high_freq_factor");
      for (double& f : s.inv_freq) {
        const double wavelength = 2 * std::numbers::pi / f;
        if (wavelength < original / high) continue;
        if (wavelength > original / low) {
          f /= factor;
        } else {
          const double smooth = (original / wavelength - low) / (high - low);
          f = (1 - smooth) * f / factor + smooth * f;
        }
      }
    } else if (type == "yarn") {
      const double dim = static_cast<double>(s.rotary);
      const auto correction = [&](double rotations) {
        return dim * std::log(original / (rotations * 2 * std::numbers::pi)) /
               (2 * std::log(theta));
      };
      const double low = std::max(std::floor(correction(number(*scaling, "beta_fast", 32))), 0.0);
      double high = std::min(std::ceil(correction(number(*scaling, "beta_slow", 1))), dim - 1);
      if (low == high) high += 0.001;
      for (size_t i = 0; i < s.inv_freq.size(); ++i) {
        const double ramp = std::min(std::max((i - low) / (high - low), 0.0), 1.0);
        const double extrapolate = 1 - ramp;
        s.inv_freq[i] = s.inv_freq[i] / factor * (1 - extrapolate) + s.inv_freq[i] * extrapolate;
      }
      s.rope_factor = number(*scaling, "attention_factor", 0.1 * std::log(factor) + 1);
    } else if (type == "longrope" || type == "su") {
      const double length = context > 0 ? context : std::min(trained, 8192.0);
      const Json& factors = scaling->at(length > original ? "long_factor" : "short_factor");
      for (size_t i = 0; i < s.inv_freq.size(); ++i) s.inv_freq[i] /= factors.at(i).get<double>();
      const double stretch = trained / original;
      s.rope_factor =
          number(*scaling, "attention_factor",
                 stretch <= 1 ? 1 : std::sqrt(1 + std::log(stretch) / std::log(original)));
    } else {
      throw std::runtime_error("reference: rope scaling " + type);
    }
  }
  if (const TensorInfo* divisors = source.find("rope_freqs.weight")) {  // GGUF's form of llama3
    std::vector<float> d(s.inv_freq.size());
    divisors->matrix().dequantize_row(0, d.data());
    for (size_t i = 0; i < d.size(); ++i) s.inv_freq[i] /= d[i];
  }
}

Spec read_spec(const TensorSource& source, int context) {
  const Json& json = source.config();
  Spec s;
  s.family = json.at("model_type").get<std::string>();
  const bool gpt2 = s.family == "gpt2", glm = s.family == "chatglm", bert = s.family == "bert";
  const size_t hidden = count(json, gpt2 ? "n_embd" : "hidden_size");
  s.layers = count(json, gpt2 ? "n_layer" : glm ? "num_layers" : "num_hidden_layers");
  s.heads = count(json, gpt2 ? "n_head" : "num_attention_heads");
  s.kv_heads = gpt2 || bert ? s.heads
               : glm        ? count(json, "multi_query_group_num")
                            : static_cast<size_t>(number(json, "num_key_value_heads", s.heads));
  s.head_dim =
      static_cast<size_t>(number(json, glm ? "kv_channels" : "head_dim", hidden / s.heads));
  s.eps = number(json,
                 gpt2   ? "layer_norm_epsilon"
                 : bert ? "layer_norm_eps"
                 : glm  ? "layernorm_epsilon"
                        : "rms_norm_eps",
                 1e-6);
  s.activation = word(json, gpt2 ? "activation_function" : "hidden_act", "silu");
  s.scale = 1 / std::sqrt(static_cast<double>(s.head_dim));
  s.window.assign(s.layers, 0);
  s.layer_norm = gpt2 || bert;
  if (gpt2 || bert) return s;

  const bool gemma = s.family == "gemma2" || s.family == "gemma3_text";
  s.qk_norm = s.family == "qwen3" || s.family == "gemma3_text";
  s.post_norms = gemma || s.family == "glm4";
  s.pairs = glm || s.family == "glm" || s.family == "glm4" || source.conventions().rope_interleaved;
  s.rotary =
      static_cast<size_t>(s.head_dim * number(json, "partial_rotary_factor", glm ? 0.5 : 1.0));
  const double theta =
      glm ? 10000 * number(json, "rope_ratio", 1) : number(json, "rope_theta", 10000);
  s.inv_freq = frequencies(theta, s.rotary);
  scale_rope(json, source, context, theta, s);

  const bool windows_on =
      s.family != "qwen2" && s.family != "qwen3"
          ? true
          : find_member(json, "use_sliding_window") && json["use_sliding_window"].get<bool>();
  for (size_t i = 0; windows_on && find_member(json, "sliding_window") && i < s.layers; ++i) {
    const bool slides = s.family == "gemma2" ? i % 2 == 0
                        : s.family == "gemma3_text"
                            ? (i + 1) % count(json, "sliding_window_pattern") != 0
                        : s.family == "qwen2" ? i >= count(json, "max_window_layers")
                                              : true;
    if (slides) s.window[i] = count(json, "sliding_window");
  }
  if (gemma) {
    s.adds_one = !source.conventions().norm_has_one_added;
    s.activation = "gelu_pytorch_tanh";
    s.embedding_scale = std::sqrt(static_cast<double>(hidden));
    s.scale = 1 / std::sqrt(json.at("query_pre_attn_scalar").get<double>());
    s.softcap = number(json, "attn_logit_softcapping", 0);
    s.final_softcap = number(json, "final_logit_softcapping", 0);
  }
  if (s.family == "gemma3_text")
    s.local_inv_freq = frequencies(json.at("rope_local_base_freq"), s.rotary);
  return s;
}

// ---- arithmetic

class Reference {
 public:
  Reference(const TensorSource& source, const ReferenceOptions& options)
      : source_(source), options_(options), s_(read_spec(source, options.context_length)) {}

  ReferenceOutput run(std::span<const TokenId> tokens) {
    const Matrix out = s_.family == "bert" ? encode(tokens) : decode(tokens);
    return {out.rows, out.cols, out.v};
  }

 private:
  const TensorInfo* find(const std::string& name) const {
    if (const TensorInfo* found = source_.find(name)) return found;
    for (const char* prefix : {"transformer.", "bert."}) {  // some checkpoints leave it away
      if (name.starts_with(prefix)) {
        if (const TensorInfo* found = source_.find(name.substr(std::string(prefix).size())))
          return found;
      }
    }
    return nullptr;
  }
  Matrix load(const std::string& name) const {
    const TensorInfo* found = find(name);
    if (!found) throw std::runtime_error("reference: no tensor " + name);
    const WeightMatrix w = found->matrix();
    Matrix m(static_cast<size_t>(w.rows), static_cast<size_t>(w.cols));
    std::vector<float> row(m.cols);
    for (size_t i = 0; i < m.rows; ++i) {
      w.dequantize_row(static_cast<int64_t>(i), row.data());
      std::copy(row.begin(), row.end(), m.row(i));
    }
    return m;
  }
  // The weight of a projection as (out, in).
  Matrix projection(const std::string& name) const {
    Matrix w = load(name);
    if (!source_.conventions().conv1d_transposed || !name.starts_with("transformer.h.")) return w;
    Matrix t(w.cols, w.rows);
    for (size_t i = 0; i < t.rows; ++i) {
      for (size_t j = 0; j < t.cols; ++j) t.row(i)[j] = w.row(j)[i];
    }
    return t;
  }
  static double to_f16(double value) { return f16_to_f32(f32_to_f16(static_cast<float>(value))); }
  static Matrix to_f16(Matrix x) {
    for (double& value : x.v) value = to_f16(value);
    return x;
  }
  // Heads in steps of 32 dimensions, each rounded to whole multiples of its largest / 127.
  Matrix to_int8(Matrix x) const {
    for (size_t head = 0; head < x.v.size(); head += s_.head_dim) {
      for (size_t d = 0; d < s_.head_dim; d += 32) {
        double* part = x.v.data() + head + d;
        const size_t n = std::min<size_t>(32, s_.head_dim - d);
        double largest = 0;
        for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(part[i]));
        const double step = to_f16(largest / 127);
        for (size_t i = 0; i < n; ++i)
          part[i] = step > 0 ? std::clamp(std::nearbyint(part[i] / step), -127.0, 127.0) * step : 0;
      }
    }
    return x;
  }
  Matrix linear(const Matrix& x, const std::string& name) const {
    const Matrix w = projection(name + ".weight");
    Matrix y(x.rows, w.rows);
    for (size_t i = 0; i < x.rows; ++i) {
      for (size_t j = 0; j < w.rows; ++j) {
        for (size_t k = 0; k < w.cols; ++k) y.row(i)[j] += x.row(i)[k] * w.row(j)[k];
      }
    }
    if (find(name + ".bias")) {
      const Matrix b = load(name + ".bias");
      for (size_t i = 0; i < y.rows; ++i) {
        for (size_t j = 0; j < y.cols; ++j) y.row(i)[j] += b.v[j];
      }
    }
    return y;
  }
  Matrix columns(const Matrix& x, size_t first, size_t n) const {
    Matrix y(x.rows, n);
    for (size_t i = 0; i < x.rows; ++i) std::copy_n(x.row(i) + first, n, y.row(i));
    return y;
  }
  // Over chunks of the weight's length: a row, or a head.
  Matrix norm(Matrix x, const std::string& name) const {
    const Vector w = load(name + ".weight").v;
    const Vector b = s_.layer_norm ? load(name + ".bias").v : Vector(w.size());
    const size_t n = w.size();
    for (size_t chunk = 0; chunk < x.v.size(); chunk += n) {
      double* p = x.v.data() + chunk;
      double mean = 0, square = 0;
      for (size_t j = 0; s_.layer_norm && j < n; ++j) mean += p[j] / n;
      for (size_t j = 0; j < n; ++j) square += (p[j] - mean) * (p[j] - mean) / n;
      for (size_t j = 0; j < n; ++j) {
        p[j] = (p[j] - mean) / std::sqrt(square + s_.eps) * (w[j] + (s_.adds_one ? 1 : 0)) + b[j];
      }
    }
    return x;
  }
  Matrix activate(Matrix x) const {
    for (double& v : x.v) {
      if (s_.activation == "silu") {
        v = v / (1 + std::exp(-v));
      } else if (s_.activation == "gelu") {
        v = 0.5 * v * (1 + std::erf(v / std::numbers::sqrt2));
      } else {  // gelu_new, gelu_pytorch_tanh
        v = 0.5 * v * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
      }
    }
    return x;
  }
  static Matrix sum(Matrix a, const Matrix& b) {
    for (size_t i = 0; i < a.v.size(); ++i) a.v[i] += b.v[i];
    return a;
  }
  static Matrix product(Matrix a, const Matrix& b) {
    for (size_t i = 0; i < a.v.size(); ++i) a.v[i] *= b.v[i];
    return a;
  }

  Matrix rope(Matrix x, const Vector& inv_freq) const {
    const size_t half = s_.rotary / 2;
    for (size_t t = 0; t < x.rows; ++t) {
      for (size_t head = 0; head < x.cols; head += s_.head_dim) {
        for (size_t i = 0; i < half; ++i) {
          double* p = x.row(t) + head;
          double& a = s_.pairs ? p[2 * i] : p[i];
          double& b = s_.pairs ? p[2 * i + 1] : p[i + half];
          const double c = std::cos(t * inv_freq[i]) * s_.rope_factor;
          const double s = std::sin(t * inv_freq[i]) * s_.rope_factor;
          const double turned = a * c - b * s;
          b = b * c + a * s;
          a = turned;
        }
      }
    }
    return x;
  }

  Matrix attend(const Matrix& q, Matrix k, Matrix v, size_t window, bool causal) const {
    if (options_.kv_type == KvType::f16) {
      k = to_f16(std::move(k));
      v = to_f16(std::move(v));
    } else if (options_.kv_type == KvType::int8) {
      k = to_int8(std::move(k));
      v = to_int8(std::move(v));
    }
    Matrix out(q.rows, q.cols);
    const size_t group = s_.heads / s_.kv_heads, d = s_.head_dim;
    for (size_t h = 0; h < s_.heads; ++h) {
      const size_t kv = h / group * d;
      for (size_t t = 0; t < q.rows; ++t) {
        const size_t last = causal ? t + 1 : k.rows;
        const size_t first = window > 0 && t + 1 > window ? t + 1 - window : 0;
        Vector p(last);
        double max = -INFINITY, total = 0;
        for (size_t j = first; j < last; ++j) {
          for (size_t i = 0; i < d; ++i) p[j] += q.row(t)[h * d + i] * k.row(j)[kv + i];
          p[j] *= s_.scale;
          if (s_.softcap > 0) p[j] = s_.softcap * std::tanh(p[j] / s_.softcap);
          max = std::max(max, p[j]);
        }
        for (size_t j = first; j < last; ++j) total += p[j] = std::exp(p[j] - max);
        for (size_t j = first; j < last; ++j) {
          for (size_t i = 0; i < d; ++i) out.row(t)[h * d + i] += p[j] / total * v.row(j)[kv + i];
        }
      }
    }
    return out;
  }

  // ---- passes

  Matrix embed(std::span<const TokenId> tokens, const std::string& name) const {
    const Matrix table = load(name + ".weight");
    Matrix x(tokens.size(), table.cols);
    for (size_t t = 0; t < tokens.size(); ++t) {
      for (size_t j = 0; j < x.cols; ++j) {
        x.row(t)[j] = table.row(static_cast<size_t>(tokens[t]))[j] * s_.embedding_scale;
      }
    }
    return x;
  }
  Matrix add_positions(Matrix x, const std::string& name) const {
    const Matrix table = load(name + ".weight");
    for (size_t t = 0; t < x.rows; ++t) {
      for (size_t j = 0; j < x.cols; ++j) x.row(t)[j] += table.row(t)[j];
    }
    return x;
  }

  // One decoder layer after the other, as modeling_<family>.py has them.
  Matrix decode(std::span<const TokenId> tokens) const {
    const bool gpt2 = s_.family == "gpt2", glm = s_.family == "chatglm", glm4 = s_.family == "glm4",
               glm_hf = s_.family == "glm" || glm4;
    const bool gemma = s_.family.starts_with("gemma"), phi = s_.family == "phi3";
    const std::string embedding = gpt2  ? "transformer.wte"
                                  : glm ? "transformer.embedding.word_embeddings"
                                        : "model.embed_tokens";
    Matrix x = embed(tokens, find(embedding + ".weight") ? embedding : "lm_head");  // tied: either
    if (gpt2) x = add_positions(std::move(x), "transformer.wpe");
    const size_t q_cols = s_.heads * s_.head_dim, kv_cols = s_.kv_heads * s_.head_dim;
    for (size_t i = 0; i < s_.layers; ++i) {
      const std::string layer = (gpt2  ? "transformer.h."
                                 : glm ? "transformer.encoder.layers."
                                       : "model.layers.") +
                                std::to_string(i) + ".";
      Matrix h = norm(x, layer + (gpt2 ? "ln_1" : "input_layernorm"));
      Matrix q, k, v;
      if (gpt2 || glm || phi) {
        const Matrix qkv = linear(h, layer + (gpt2  ? "attn.c_attn"
                                              : glm ? "self_attention.query_key_value"
                                                    : "self_attn.qkv_proj"));
        q = columns(qkv, 0, q_cols);
        k = columns(qkv, q_cols, kv_cols);
        v = columns(qkv, q_cols + kv_cols, kv_cols);
      } else {
        q = linear(h, layer + "self_attn.q_proj");
        k = linear(h, layer + "self_attn.k_proj");
        v = linear(h, layer + "self_attn.v_proj");
      }
      if (s_.qk_norm) {
        q = norm(q, layer + "self_attn.q_norm");
        k = norm(k, layer + "self_attn.k_norm");
      }
      if (!gpt2) {
        const Vector& f =
            s_.window[i] > 0 && !s_.local_inv_freq.empty() ? s_.local_inv_freq : s_.inv_freq;
        q = rope(q, f);
        k = rope(k, f);
      }
      h = linear(attend(q, k, v, s_.window[i], true), layer + (gpt2  ? "attn.c_proj"
                                                               : glm ? "self_attention.dense"
                                                                     : "self_attn.o_proj"));
      if (s_.post_norms)
        h = norm(h, layer + (glm4 ? "post_self_attn_layernorm" : "post_attention_layernorm"));
      x = sum(x, h);

      h = norm(x, layer + (gpt2    ? "ln_2"
                           : gemma ? "pre_feedforward_layernorm"
                                   : "post_attention_layernorm"));
      if (gpt2) {
        h = linear(activate(linear(h, layer + "mlp.c_fc")), layer + "mlp.c_proj");
      } else if (glm || glm_hf || phi) {
        const Matrix gate_up = linear(h, layer + (glm ? "mlp.dense_h_to_4h" : "mlp.gate_up_proj"));
        const size_t n = gate_up.cols / 2;
        h = linear(product(activate(columns(gate_up, 0, n)), columns(gate_up, n, n)),
                   layer + (glm ? "mlp.dense_4h_to_h" : "mlp.down_proj"));
      } else {
        h = linear(
            product(activate(linear(h, layer + "mlp.gate_proj")), linear(h, layer + "mlp.up_proj")),
            layer + "mlp.down_proj");
      }
      if (s_.post_norms)
        h = norm(h, layer + (glm4 ? "post_mlp_layernorm" : "post_feedforward_layernorm"));
      x = sum(x, h);
    }
    x = norm(x, gpt2  ? "transformer.ln_f"
                : glm ? "transformer.encoder.final_layernorm"
                      : "model.norm");
    const std::string head = glm ? "transformer.output_layer" : "lm_head";
    Matrix logits = linear(x, find(head + ".weight") ? head : embedding);
    if (s_.final_softcap > 0) {
      for (double& l : logits.v) l = s_.final_softcap * std::tanh(l / s_.final_softcap);
    }
    return logits;
  }

  Matrix encode(std::span<const TokenId> tokens) const {
    const std::string e = "bert.embeddings.";
    Matrix x = add_positions(embed(tokens, e + "word_embeddings"), e + "position_embeddings");
    const Matrix types = load(e + "token_type_embeddings.weight");
    for (size_t t = 0; t < x.rows; ++t) {
      for (size_t j = 0; j < x.cols; ++j) x.row(t)[j] += types.row(0)[j];
    }
    x = norm(x, e + "LayerNorm");
    for (size_t i = 0; i < s_.layers; ++i) {
      const std::string layer = "bert.encoder.layer." + std::to_string(i) + ".";
      const Matrix q = linear(x, layer + "attention.self.query");
      const Matrix k = linear(x, layer + "attention.self.key");
      const Matrix v = linear(x, layer + "attention.self.value");
      Matrix h = linear(attend(q, k, v, 0, false), layer + "attention.output.dense");
      x = norm(sum(x, h), layer + "attention.output.LayerNorm");
      h = linear(activate(linear(x, layer + "intermediate.dense")), layer + "output.dense");
      x = norm(sum(x, h), layer + "output.LayerNorm");
    }
    return x;
  }

  const TensorSource& source_;
  ReferenceOptions options_;
  Spec s_;
};

}  // namespace

ReferenceOutput run_reference(const TensorSource& source, std::span<const TokenId> tokens,
                              const ReferenceOptions& options) {
  return Reference(source, options).run(tokens);
}

}  // namespace jiang
