#include "convert/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "base/file.h"
#include "convert/quantization_error.h"
#include "quant/column_products.h"
#include "tests/support/loose_tensors.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

std::string whole_file(const std::string& path) {
  auto bytes = read_file(path, size_t{1} << 30);
  EXPECT_TRUE(bytes) << path;
  return bytes ? *std::move(bytes) : "";
}

QuantizeType type_named(const char* name) {
  auto type = find_quantize_type(name);
  EXPECT_TRUE(type) << name;
  return *type;
}

std::vector<float> values_of(const TensorSource& source, const char* name) {
  const TensorInfo* tensor = source.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  if (!tensor) return {};
  std::vector<float> values(static_cast<size_t>(tensor->shape.elements()));
  const WeightMatrix matrix = tensor->matrix();
  for (int64_t i = 0; i < matrix.rows; ++i) {
    matrix.dequantize_row(i, values.data() + i * matrix.cols);
  }
  return values;
}

// A Llama of one layer: hidden 64, 4 heads of 16, 2 key and value heads.
LooseTensors tiny_llama() {
  LooseTensors source;
  source.config_ = {{"architectures", {"LlamaForCausalLM"}},
                    {"model_type", "llama"},
                    {"hidden_size", 64},
                    {"intermediate_size", 96},
                    {"num_hidden_layers", 1},
                    {"num_attention_heads", 4},
                    {"num_key_value_heads", 2},
                    {"max_position_embeddings", 128},
                    {"vocab_size", 40},
                    {"rms_norm_eps", 1e-5}};
  source.add_random("model.embed_tokens.weight", {40, 64});
  source.add_random("lm_head.weight", {40, 64});
  source.add_random("model.norm.weight", {64});
  const std::string layer = "model.layers.0.";
  source.add_random(layer + "input_layernorm.weight", {64});
  source.add_random(layer + "post_attention_layernorm.weight", {64});
  source.add_random(layer + "self_attn.q_proj.weight", {64, 64});
  source.add_random(layer + "self_attn.q_proj.bias", {64});
  source.add_random(layer + "self_attn.k_proj.weight", {32, 64});
  source.add_random(layer + "self_attn.v_proj.weight", {32, 64});
  source.add_random(layer + "self_attn.o_proj.weight", {64, 64});
  source.add_random(layer + "mlp.gate_proj.weight", {96, 64});
  source.add_random(layer + "mlp.up_proj.weight", {96, 64});
  source.add_random(layer + "mlp.down_proj.weight", {64, 96});
  return source;
}

class Quantizing : public testing::Test {
 protected:
  Result<QuantizeReport> quantize(const TensorSource& source, const char* type,
                                  const QuantizeOptions& options = {},
                                  const char* out = "out.gguf") {
    return quantize_model(source, folder_.path(out), type_named(type), pool_, options);
  }
  std::shared_ptr<const TensorSource> open(const char* name = "out.gguf") {
    auto source = open_tensor_source(folder_.path(name));
    EXPECT_TRUE(source) << source.error().message;
    return source ? *source : nullptr;
  }
  bool left_nothing() const { return std::filesystem::is_empty(folder_.path()); }

  TempFolder folder_;
  ThreadPool pool_{2};
};

TEST_F(Quantizing, RealModelInEveryTypeReopensWithSmallErrors) {
  JIANG_NEED_DATA(path, "weights/tiny-qwen2/tiny-qwen2-f16.gguf");
  const auto source = *open_tensor_source(path);
  for (const char* name : {"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_1", "q5_0", "q4_k_m",
                           "q4_1", "q4_0", "iq4_nl", "iq4_xs", "mxfp4", "q3_k_m", "q2_k"}) {
    const auto report = quantize(*source, name);
    ASSERT_TRUE(report) << name << ": " << report.error().message;
    const auto result = open();
    ASSERT_TRUE(result);
    ASSERT_EQ(result->tensors().size(), source->tensors().size());
    const double bound = std::string_view(name).starts_with("q2")   ? 8e-2
                         : std::string_view(name).starts_with("q3") ? 3e-2
                         : std::string_view(name) == "mxfp4"        ? 2e-2
                                                                    : 7e-3;
    for (const QuantizeReport::Row& row : report->rows) {
      EXPECT_LT(row.relative_mse, bound) << name << " " << row.tensor;
      EXPECT_FALSE(row.fallback) << row.tensor;
    }
    for (const TensorInfo& tensor : result->tensors()) {
      const TensorInfo* original = source->find(tensor.name);
      ASSERT_TRUE(original) << tensor.name;
      EXPECT_EQ(original->shape, tensor.shape);
      EXPECT_EQ(tensor.shape.rank() == 1, tensor.format == Format::f32 && tensor.shape.rank() == 1);
    }
    EXPECT_EQ(report->bytes_out, std::filesystem::file_size(folder_.path("out.gguf")));
    EXPECT_EQ(*result->metadata()->get_int("general.quantization_version"), 2);
    // All but the file's type is carried over.
    for (const auto& [key, value] : source->metadata()->values) {
      if (key == "general.file_type") continue;
      const MetaValue* found = result->metadata()->find(key);
      ASSERT_TRUE(found) << key;
      EXPECT_EQ(*found, value) << key;
    }
  }
}

// Issue 2, "Done when" 6.
TEST_F(Quantizing, ErrorIsNoWorseThanThatOfTheFilesOfEachType) {
  JIANG_NEED_DATA(path, "weights/tiny-qwen2/tiny-qwen2-f16.gguf");
  const auto reference = *open_tensor_source(path);
  for (const char* type : {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_S", "Q6_K", "IQ4_NL"}) {
    JIANG_NEED_DATA(file, fmt::format("weights/tiny-qwen2/tiny-qwen2-{}.gguf", type));
    const auto candidate = *open_tensor_source(file);
    const auto table = quantization_error_table(*reference, *candidate, pool_);
    ASSERT_TRUE(table) << table.error().message;
    ASSERT_EQ(table->size(), 1u) << type;
    EXPECT_LE(table->front().ours, table->front().candidate) << type;
  }
}

TEST_F(Quantizing, BytesDoNotDependOnThreads) {
  const LooseTensors source = tiny_llama();
  for (const char* type : {"q4_0", "q8_0", "f16"}) {
    std::string first;
    for (const int threads : {1, 2, 5}) {
      ThreadPool pool(threads);
      ASSERT_TRUE(quantize_model(source, folder_.path("out.gguf"), type_named(type), pool));
      const std::string bytes = whole_file(folder_.path("out.gguf"));
      if (first.empty()) first = bytes;
      EXPECT_EQ(bytes == first, true) << type << " " << threads;
    }
  }
}

TEST_F(Quantizing, LlamaFromHuggingFaceHasItsHeadsInterleaved) {
  const LooseTensors source = tiny_llama();
  QuantizeOptions options;
  options.extra_metadata.values["tokenizer.ggml.model"] = std::string("none");
  ASSERT_TRUE(quantize(source, "f32", options));
  const auto result = open();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->conventions().rope_interleaved);
  EXPECT_EQ(*result->metadata()->get_string("tokenizer.ggml.model"), "none");
  EXPECT_EQ(*result->metadata()->get_string("general.name"), "model");
  for (const char* name : {"q_proj.weight", "k_proj.weight", "q_proj.bias"}) {
    const std::string full = std::string("model.layers.0.self_attn.") + name;
    const auto before = values_of(source, full.c_str());
    const auto after = values_of(*result, full.c_str());
    const size_t cols = std::string_view(name).ends_with("bias") ? 1 : 64;
    ASSERT_EQ(after.size(), before.size());
    for (size_t row = 0; row < before.size() / cols; ++row) {
      const size_t head = row / 16, i = row % 16 / 2, half = row % 2;
      for (size_t c = 0; c < cols; ++c) {
        ASSERT_EQ(after[row * cols + c], before[(head * 16 + half * 8 + i) * cols + c])
            << name << row;
      }
    }
  }
  for (const char* name : {"model.layers.0.self_attn.v_proj.weight", "model.embed_tokens.weight",
                           "lm_head.weight", "model.norm.weight"}) {
    EXPECT_EQ(values_of(*result, name), values_of(source, name)) << name;
  }
}

TEST_F(Quantizing, GemmaNormsGetTheirOne) {
  LooseTensors source = tiny_llama();
  source.config_["architectures"] = {"Gemma2ForCausalLM"};
  source.config_["model_type"] = "gemma2";
  source.config_["head_dim"] = 16;
  source.config_["sliding_window"] = 64;
  ASSERT_TRUE(quantize(source, "f32")) << quantize(source, "f32").error().message;
  const auto result = open();
  auto expected = values_of(source, "model.norm.weight");
  for (float& value : expected) value += 1;
  EXPECT_EQ(values_of(*result, "model.norm.weight"), expected);
  EXPECT_EQ(values_of(*result, "model.layers.0.self_attn.q_proj.weight"),
            values_of(source, "model.layers.0.self_attn.q_proj.weight"));
}

TEST_F(Quantizing, Gpt2IsTransposed) {
  LooseTensors source;
  source.config_ = {{"architectures", {"GPT2LMHeadModel"}},
                    {"model_type", "gpt2"},
                    {"n_embd", 32},
                    {"n_layer", 1},
                    {"n_head", 2},
                    {"n_positions", 16},
                    {"layer_norm_epsilon", 1e-5}};
  source.conventions_.conv1d_transposed = true;
  source.add_random("transformer.wte.weight", {24, 32});
  source.add_random("transformer.wpe.weight", {16, 32});
  source.add_random("transformer.h.0.attn.c_attn.weight", {32, 96}, Format::bf16);
  source.add_random("transformer.h.0.attn.c_attn.bias", {96});
  source.add_random("transformer.h.0.attn.bias", {1, 1, 16, 16});
  const auto report = quantize(source, "q8_0");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->left_out, std::vector<std::string>{"transformer.h.0.attn.bias"});
  const auto result = open();
  ASSERT_TRUE(result);
  const TensorInfo* qkv = result->find("transformer.h.0.attn.c_attn.weight");
  ASSERT_TRUE(qkv);
  EXPECT_EQ(qkv->shape, (Shape{96, 32}));
  EXPECT_EQ(qkv->format, Format::q8_0);
  const auto before = values_of(source, "transformer.h.0.attn.c_attn.weight");
  const auto after = values_of(*result, "transformer.h.0.attn.c_attn.weight");
  for (size_t r = 0; r < 96; ++r) {
    for (size_t c = 0; c < 32; ++c) ASSERT_NEAR(after[r * 32 + c], before[c * 96 + r], 1e-3);
  }
  EXPECT_EQ(result->find("transformer.wpe.weight")->format, Format::f32);
}

TEST_F(Quantizing, TiedModelsHaveOneMatrixForWords) {
  for (const bool keeps_embeddings : {true, false}) {
    LooseTensors source = tiny_llama();
    source.config_["tie_word_embeddings"] = true;
    LooseTensors tied;
    tied.config_ = source.config_;
    for (const TensorInfo& tensor : source.tensors()) {
      if (tensor.name == "model.embed_tokens.weight" && !keeps_embeddings) continue;
      tied.add(tensor.name, tensor.shape, values_of(source, tensor.name.c_str()));
    }
    const auto report = quantize(tied, "q4_0");
    ASSERT_TRUE(report) << report.error().message;
    const auto result = open();
    EXPECT_EQ(result->find("lm_head.weight"), nullptr);
    const TensorInfo* words = result->find("model.embed_tokens.weight");
    ASSERT_TRUE(words);
    // It serves as output: q6_k, whose blocks do not divide 64.
    EXPECT_EQ(words->format, Format::q8_0);
  }
}

TEST_F(Quantizing, TinyStoriesFolderBecomesAFileWithTheSameWeights) {
  JIANG_NEED_DATA(path, "weights/tinystories-656k");
  const auto source = *open_tensor_source(path);
  ASSERT_TRUE(quantize(*source, "f32"));
  const auto result = open();
  ASSERT_TRUE(result);
  EXPECT_EQ(values_of(*result, "model.embed_tokens.weight"), values_of(*source, "lm_head.weight"));
  EXPECT_EQ(values_of(*result, "model.layers.1.mlp.down_proj.weight"),
            values_of(*source, "model.layers.1.mlp.down_proj.weight"));
}

TEST_F(Quantizing, ReportsWhichTensorsFellBack) {
  const LooseTensors source = tiny_llama();
  const auto report = quantize(source, "q4_k_s");
  ASSERT_TRUE(report);
  for (const QuantizeReport::Row& row : report->rows) {
    const bool is_matrix = row.to != Format::f32;
    EXPECT_EQ(row.fallback, is_matrix) << row.tensor;
    if (!is_matrix) continue;
    // The stand-ins of q6_k, q5_k and q4_k.
    const Format expected = row.tensor == "output.weight"         ? Format::q8_0
                            : row.tensor == "blk.0.attn_v.weight" ? Format::q5_1
                                                                  : Format::q5_0;
    EXPECT_EQ(row.to, expected) << row.tensor;
  }
}

TEST_F(Quantizing, QuantisedSourcesAreNotQuantisedAnewUnasked) {
  LooseTensors original = tiny_llama();
  ASSERT_TRUE(quantize(original, "q8_0", {}, "in.gguf"));
  const auto source = open("in.gguf");
  const auto refused = quantize(*source, "q4_0");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument);
  EXPECT_NE(refused.error().message.find("q8_0"), std::string::npos) << refused.error().message;
  QuantizeOptions options;
  options.allow_requantize = true;
  EXPECT_TRUE(quantize(*source, "q4_0", options));
  // Back to floats loses nothing, and the same blocks are copied.
  EXPECT_TRUE(quantize(*source, "f32"));
  ASSERT_TRUE(quantize(*source, "q8_0"));
  EXPECT_EQ(whole_file(folder_.path("out.gguf")) == whole_file(folder_.path("in.gguf")), true);
}

TEST_F(Quantizing, PureMeansEveryMatrix) {
  const LooseTensors source = tiny_llama();
  QuantizeOptions options;
  options.pure = true;
  const auto report = quantize(source, "q4_0", options);
  ASSERT_TRUE(report);
  for (const auto& row : report->rows) {
    EXPECT_TRUE(row.to == Format::q4_0 || row.to == Format::f32) << row.tensor;
  }
}

TEST_F(Quantizing, DamagedWeightsAreRefusedByName) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 1e6f}) {
    LooseTensors source = tiny_llama();
    std::vector<float> values(64 * 64, 0.5f);
    values[64 * 7 + 3] = bad;
    LooseTensors damaged;
    damaged.config_ = source.config_;
    for (const TensorInfo& tensor : source.tensors()) {
      const bool is_hit = tensor.name == "model.layers.0.self_attn.o_proj.weight";
      damaged.add(tensor.name, tensor.shape,
                  is_hit ? values : values_of(source, tensor.name.c_str()));
    }
    const auto refused = quantize(damaged, "q4_0");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::bad_numbers);
    EXPECT_NE(refused.error().message.find("row 7 of blk.0.attn_output.weight"), std::string::npos)
        << refused.error().message;
    EXPECT_TRUE(left_nothing());
    if (bad != 1e6f) continue;
    EXPECT_TRUE(quantize(damaged, "bf16"));  // has the range
  }
}

TEST_F(Quantizing, StoppedMeansNothingIsLeft) {
  const LooseTensors source = tiny_llama();
  int calls = 0;
  uint64_t last = 0;
  QuantizeOptions options;
  options.progress = [&](const QuantizeProgress& now) {
    EXPECT_GE(now.bytes_done, last);
    EXPECT_LE(now.bytes_done, now.bytes_total);
    last = now.bytes_done;
    return ++calls < 5;
  };
  const auto stopped = quantize(source, "q4_0", options);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::cancelled);
  EXPECT_TRUE(left_nothing());
  options.progress = [&](const QuantizeProgress& now) { return last = now.bytes_done, true; };
  const auto report = quantize(source, "q4_0", options);
  ASSERT_TRUE(report);
  EXPECT_EQ(last, report->bytes_in);
}

TEST_F(Quantizing, WhatCannotBeKeptIsAnError) {
  LooseTensors unknown = tiny_llama();
  unknown.add_random("model.layers.0.mlp.extra.weight", {8, 64});
  const auto refused = quantize(unknown, "q8_0");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("mlp.extra"), std::string::npos)
      << refused.error().message;

  LooseTensors unusable = tiny_llama();
  unusable.unusable_.push_back({"model.layers.0.mlp.up_proj.bias", "its dtype is I8"});
  EXPECT_FALSE(quantize(unusable, "q8_0"));

  LooseTensors cut = tiny_llama();
  cut.is_whole = false;
  EXPECT_EQ(quantize(cut, "q8_0").error().kind, ErrorKind::io);
  EXPECT_TRUE(left_nothing());

  ASSERT_TRUE(quantize(tiny_llama(), "q8_0"));
  EXPECT_FALSE(quantize(*open(), "q8_0")) << "the source would be replaced";
}

TEST_F(Quantizing, ImportanceIsUsedAndMustFit) {
  const LooseTensors source = tiny_llama();
  ImportanceMatrix matrix;
  std::vector<float> columns(64, 1e-4f);
  for (size_t i = 0; i < 64; i += 8) columns[i] = 1;
  matrix.columns["blk.0.attn_output.weight"] = columns;
  matrix.chunks = 3;
  QuantizeOptions options;
  options.importance = &matrix;
  ASSERT_TRUE(quantize(source, "q4_0", {}, "plain.gguf"));
  ASSERT_TRUE(quantize(source, "q4_0", options));
  const auto plain = open("plain.gguf"), weighed = open();
  EXPECT_EQ(*weighed->metadata()->get_int("quantize.imatrix.chunks_count"), 3);
  const char* name = "model.layers.0.self_attn.o_proj.weight";
  const auto x = values_of(source, name);
  auto important_error = [&](const TensorSource& from) {
    const auto y = values_of(from, name);
    double sum = 0;
    for (size_t i = 0; i < x.size(); i += 8) sum += std::pow(double{x[i]} - y[i], 2);
    return sum;
  };
  EXPECT_LT(important_error(*weighed), 0.7 * important_error(*plain));

  matrix.columns["blk.0.attn_output.weight"].push_back(1);
  EXPECT_FALSE(quantize(source, "q4_0", options));
  matrix.columns = {{"blk.7.attn_output.weight", columns}};
  const auto other = quantize(source, "q4_0", options);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("another model"), std::string::npos);
}

// Columns 256, so that all formats are there; rows (and norms) few, since each is quantised in all
// of them; activations whose columns move together, and matter differently from matrix to matrix.
struct Measured {
  LooseTensors source;
  ImportanceMatrix matrix;
};
Measured measured_llama() {
  Measured measured;
  measured.source.config_ = {{"architectures", {"LlamaForCausalLM"}},
                             {"model_type", "llama"},
                             {"hidden_size", 256},
                             {"intermediate_size", 256},
                             {"num_hidden_layers", 1},
                             {"num_attention_heads", 4},
                             {"num_key_value_heads", 2},
                             {"max_position_embeddings", 128},
                             {"vocab_size", 64},
                             {"tie_word_embeddings", true},
                             {"rms_norm_eps", 1e-5}};
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  float matters = 1e-3f;
  auto add = [&](const char* hf_name, const char* name, int64_t rows) {
    measured.source.add_random(hf_name, {rows, 256});
    std::vector<float> products(256 * 256), columns(256);
    for (int sample = 0; sample < 300; ++sample) {
      float common = normal(random), x[256];
      for (float& value : x) value = 0.7f * common + 0.7f * normal(random);
      for (size_t i = 0; i < 256; ++i) {
        columns[i] += x[i] * x[i] / 300;
        for (size_t j = 0; j < 256; ++j) products[i * 256 + j] += matters * x[i] * x[j] / 300;
      }
    }
    matters *= 4;
    measured.matrix.columns[name] = columns;
    measured.matrix.products[name] = products;
  };
  measured.source.add_random("model.norm.weight", {16});
  measured.source.add_random("model.layers.0.input_layernorm.weight", {16});
  measured.source.add_random("model.layers.0.post_attention_layernorm.weight", {16});
  add("model.embed_tokens.weight", "token_embd.weight", 8);
  add("model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight", 16);
  add("model.layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight", 8);
  add("model.layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight", 8);
  add("model.layers.0.self_attn.o_proj.weight", "blk.0.attn_output.weight", 16);
  add("model.layers.0.mlp.gate_proj.weight", "blk.0.ffn_gate.weight", 16);
  add("model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight", 16);
  add("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight", 16);
  measured.matrix.chunks = 1;
  return measured;
}

double expected_divergence(const QuantizeReport& report) {
  double sum = 0;
  for (const auto& row : report.rows) sum += row.expected_divergence;
  return sum;
}

TEST_F(Quantizing, AMixtureHoldsItsBudgetAndCostsLessThanOneFormat) {
  const Measured measured = measured_llama();
  QuantizeOptions options;
  options.importance = &measured.matrix;
  options.pure = true;
  const auto plain = quantize(measured.source, "q4_k_s", options);
  ASSERT_TRUE(plain);
  options.pure = false;
  double last = 1e9;
  for (const double bits : {2.9, 3.5, 4.5, 6.0, 8.6}) {
    const auto report = quantize_model(measured.source, folder_.path("out.gguf"),
                                       mixture_type(bits), pool_, options);
    ASSERT_TRUE(report) << report.error().message;
    uint64_t bytes = 0;
    int64_t weights = 0;
    for (const auto& row : report->rows) bytes += row.bytes, weights += row.weights;
    EXPECT_LE(static_cast<double>(bytes) * 8, bits * static_cast<double>(weights));
    EXPECT_LT(expected_divergence(*report), last) << bits;
    last = expected_divergence(*report);
    // 4.5 bits with norms in f32 is a little less than q4_k's.
    if (bits == 4.5) {
      EXPECT_LT(last, expected_divergence(*plain));
    }
    const auto result = open();
    ASSERT_TRUE(result);
    for (const auto& row : report->rows) {
      const auto found =
          std::find_if(result->tensors().begin(), result->tensors().end(),
                       [&](const TensorInfo& tensor) { return tensor.bytes.size() == row.bytes; });
      EXPECT_NE(found, result->tensors().end()) << row.tensor;
    }
  }
}

TEST_F(Quantizing, ProductsLessenWhatErrorsCost) {
  Measured measured = measured_llama();
  QuantizeOptions options;
  options.importance = &measured.matrix;
  const auto with = quantize(measured.source, "iq4_xs", options, "with.gguf");
  ASSERT_TRUE(with);
  const auto products = measured.matrix.products;
  measured.matrix.products.clear();
  ASSERT_TRUE(quantize(measured.source, "iq4_xs", options, "without.gguf"));
  EXPECT_NE(whole_file(folder_.path("with.gguf")) == whole_file(folder_.path("without.gguf")),
            true);
  // What the file without them costs, by the same measure.
  ThreadPool pool(1);
  double cost = 0;
  const auto result = open("without.gguf");
  const std::pair<const char*, const char*> names[] = {
      {"model.layers.0.self_attn.v_proj.weight", "blk.0.attn_v.weight"},
      {"model.layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight"}};
  double better = 0;
  for (const auto& [hf_name, name] : names) {
    const ColumnProducts h(products.at(name), 256, pool);
    const auto x = values_of(measured.source, hf_name), y = values_of(*result, hf_name);
    for (size_t at = 0; at < x.size(); at += 256) cost += h.error(&x[at], &y[at]) / 2;
    for (const auto& row : with->rows) better += row.tensor == name ? row.expected_divergence : 0;
  }
  EXPECT_LT(better, 0.8 * cost);
}

TEST_F(Quantizing, AMixtureDoesNotDependOnThreads) {
  const Measured measured = measured_llama();
  QuantizeOptions options;
  options.importance = &measured.matrix;
  std::string first;
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ASSERT_TRUE(quantize_model(measured.source, folder_.path("out.gguf"), mixture_type(4.5), pool,
                               options));
    const std::string bytes = whole_file(folder_.path("out.gguf"));
    if (first.empty()) first = bytes;
    EXPECT_EQ(bytes == first, true) << threads;
  }
}

TEST_F(Quantizing, AMixtureThatCannotBeIsRefused) {
  Measured measured = measured_llama();
  QuantizeOptions options;
  options.importance = &measured.matrix;
  const auto mix = [&](double bits) {
    return quantize_model(measured.source, folder_.path("out.gguf"), mixture_type(bits), pool_,
                          options);
  };
  const auto small = mix(2);
  ASSERT_FALSE(small);
  EXPECT_NE(small.error().message.find("smallest formats need 2."), std::string::npos)
      << small.error().message;
  int calls = 0;
  options.progress = [&](const QuantizeProgress&) { return ++calls < 3; };
  EXPECT_EQ(mix(4.5).error().kind, ErrorKind::cancelled) << "while formats are tried";
  options.progress = {};
  measured.matrix.products["blk.0.attn_q.weight"].pop_back();
  EXPECT_NE(mix(4.5).error().message.find("another model"), std::string::npos);
  measured.matrix.products.clear();
  const auto blind = mix(4.5);
  ASSERT_FALSE(blind);
  EXPECT_NE(blind.error().message.find("imatrix --full"), std::string::npos);
  EXPECT_TRUE(left_nothing());
}

TEST(QuantizationErrors, AreTabledByFormat) {
  LooseTensors source;
  source.add_random("a", {4, 256});
  source.add_random("b", {4, 64});
  source.add_random("c", {64});
  ThreadPool pool(2);
  const Format formats[] = {Format::q8_0, Format::q4_k};
  const auto table = quantization_error_table(source, formats, pool);
  ASSERT_TRUE(table);
  ASSERT_EQ(table->size(), 2u);
  EXPECT_EQ((*table)[0].weights, 4 * 256 + 4 * 64);
  EXPECT_EQ((*table)[1].weights, 4 * 256);
  EXPECT_LT((*table)[0].ours, 4e-5);
  EXPECT_LT((*table)[1].ours, 6e-3);
  EXPECT_FALSE((*table)[0].candidate);
  EXPECT_FALSE(quantization_error_table(source, source, pool)) << "nothing is quantised";
}

}  // namespace
}  // namespace jiang
