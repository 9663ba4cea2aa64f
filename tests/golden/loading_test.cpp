// What load_model refuses, and how it says so: rows A10 and A13 of the hardening list, and what
// models say about themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/memory_source.h"
#include "tests/support/model_runner.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string load_error(TinyModel model) {
  ThreadPool pool(1);
  const auto loaded = load_model(std::make_shared<MemorySource>(std::move(model)), pool);
  return loaded ? "" : loaded.error().message;
}

std::string config_error(const std::string& fixture, const char* key, const Json& value) {
  TinyModel model = make_tiny_model(fixture);
  model.config[key] = value;
  const MemorySource source(std::move(model));
  const auto config = read_model_config(source);
  return config ? "" : config.error().message;
}

TEST(LoadModel, CountsOutOfRangeAreRefusedByName) {
  for (const char* key :
       {"num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size",
        "vocab_size", "head_dim", "num_key_value_heads", "max_position_embeddings"}) {
    for (const Json& value :
         {Json(0), Json(-1), Json(int64_t{1} << 40), Json(1e300), Json("12"), Json(2.5)}) {
      EXPECT_THAT(config_error("llama", key, value), HasSubstr(key)) << key << " = " << value;
    }
  }
  EXPECT_THAT(config_error("llama", "num_hidden_layers", 513), HasSubstr("between 1 and 512"));
  EXPECT_THAT(config_error("llama", "num_hidden_layers", 1000000000),
              HasSubstr("num_hidden_layers"));
  EXPECT_THAT(config_error("gpt2", "n_layer", 513), HasSubstr("n_layer"));
  EXPECT_THAT(config_error("gpt2", "n_head", 7), HasSubstr("n_head"));
  EXPECT_THAT(config_error("chatglm", "num_layers", 0), HasSubstr("num_layers"));
  EXPECT_THAT(config_error("chatglm", "multi_query_group_num", 2), HasSubstr("does not divide"));
  EXPECT_THAT(config_error("bert", "type_vocab_size", 0), HasSubstr("type_vocab_size"));
}

TEST(LoadModel, HeadsThatDoNotDivideAreRefused) {
  EXPECT_THAT(config_error("llama", "num_key_value_heads", 4),
              AllOf(HasSubstr("num_key_value_heads"), HasSubstr("4"), HasSubstr("6")));
}

TEST(LoadModel, NumbersThatMakeNoSenseAreRefused) {
  EXPECT_THAT(config_error("llama", "rms_norm_eps", 0), HasSubstr("eps"));
  EXPECT_THAT(config_error("llama", "rms_norm_eps", -1), HasSubstr("eps"));
  EXPECT_THAT(config_error("llama", "rope_theta", 0), HasSubstr("rope_theta"));
  EXPECT_THAT(config_error("llama", "rope_theta", 1), HasSubstr("rope_theta"));
  EXPECT_THAT(config_error("llama", "hidden_act", "mish"), HasSubstr("mish"));
  EXPECT_THAT(config_error("llama", "head_dim", 15), HasSubstr("even"));
  EXPECT_THAT(config_error("glm4", "partial_rotary_factor", 1.5),
              HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(config_error("gemma2", "query_pre_attn_scalar", -3),
              HasSubstr("query_pre_attn_scalar"));
  EXPECT_THAT(config_error("gemma2", "attn_logit_softcapping", -3),
              HasSubstr("attn_logit_softcapping"));
  EXPECT_THAT(config_error("gemma3", "rope_local_base_freq", 0.5),
              HasSubstr("rope_local_base_freq"));
  EXPECT_THAT(config_error("mistral", "sliding_window", 0), HasSubstr("sliding_window"));
  EXPECT_THAT(config_error("mistral", "layer_types", Json::array({"full_attention"})),
              HasSubstr("layer_types"));
}

TEST(LoadModel, RopeScalingsAreChecked) {
  const auto with = [](const Json& scaling) {
    return config_error("llama", "rope_scaling", scaling);
  };
  EXPECT_THAT(with({{"type", "ntk-by-guess"}, {"factor", 2.0}}), HasSubstr("ntk-by-guess"));
  EXPECT_THAT(with({{"type", "linear"}, {"factor", 0}}), HasSubstr("factor"));
  EXPECT_THAT(with({{"type", "linear"}, {"factor", "two"}}), HasSubstr("factor"));
  EXPECT_THAT(with(Json::array()), HasSubstr("rope_scaling"));
  EXPECT_THAT(with({{"rope_type", "llama3"}, {"factor", 8}}), HasSubstr("low_freq_factor"));
  EXPECT_THAT(with({{"rope_type", "llama3"},
                    {"factor", 8},
                    {"low_freq_factor", 4},
                    {"high_freq_factor", 1}}),
              HasSubstr("high_freq_factor"));
  EXPECT_THAT(with({{"type", "longrope"}, {"long_factor", {1, 2}}, {"short_factor", {1, 2}}}),
              HasSubstr("expected 8"));
  EXPECT_THAT(with({{"type", "longrope"}, {"short_factor", {1, 0, 1, 1, 1, 1, 1, 1}}}),
              HasSubstr("above 0"));
  EXPECT_EQ(with({{"type", "dynamic"}, {"factor", 2.0}}), "");
  EXPECT_EQ(with(nullptr), "");
}

TEST(LoadModel, Gemma3sTextConfigMayLeaveOutItsDefaults) {
  TinyModel model = make_tiny_model("gemma3");
  model.config = {{"model_type", "gemma3_text"},
                  {"hidden_size", 2560},
                  {"intermediate_size", 10240},
                  {"num_hidden_layers", 34},
                  {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                  {"sliding_window", 1024}};
  const auto config = read_model_config(MemorySource(std::move(model)));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->num_attention_heads, 8);
  EXPECT_EQ(config->head_dim, 256);
  EXPECT_FLOAT_EQ(config->rope.inv_freq[0], 1.0f / 8);  // scaled; the local one is not
  EXPECT_FLOAT_EQ(config->rope_local.inv_freq[0], 1.0f);
  EXPECT_EQ(config->window(4), 1024);
  EXPECT_EQ(config->window(5), 0);
}

TEST(LoadModel, UnknownArchitectureNamesTheClosest) {
  EXPECT_THAT(config_error("llama", "architectures", Json::array({"Qwen2ForCausalLLM"})),
              HasSubstr("did you mean Qwen2ForCausalLM"));
  EXPECT_THAT(config_error("llama", "architectures", Json::array({"MambaForCausalLM"})),
              HasSubstr("MambaForCausalLM"));
  TinyModel model = make_tiny_model("llama");
  model.config = Json::object();
  EXPECT_THAT(load_error(model), HasSubstr("architectures"));
}

TEST(LoadModel, ModelTypeServesWhereNoClassIsNamed) {
  TinyModel model = make_tiny_model("qwen3");
  model.config.erase("architectures");
  EXPECT_EQ(load_error(model), "");
}

TEST(LoadModel, MissingMisshapenAndUnknownTensorsAreListedTogether) {
  TinyModel model = make_tiny_model("qwen2");
  for (TinyTensor& t : model.tensors) {
    if (t.name == "model.norm.weight") t.shape = {48}, t.values.resize(48);
    if (t.name == "model.layers.1.mlp.up_proj.weight") std::swap(t.shape[0], t.shape[1]);
    if (t.name == "model.layers.0.self_attn.q_proj.bias")
      t.name = "model.layers.0.self_attn.q_proj.bies";
  }
  EXPECT_THAT(
      load_error(model),
      AllOf(HasSubstr("model.norm.weight has shape (48), expected (96)"),
            HasSubstr("model.layers.1.mlp.up_proj.weight has shape (96, 160), expected (160, 96)"),
            HasSubstr("model.layers.0.self_attn.q_proj.bias (96) is missing"),
            HasSubstr("q_proj.bies (96) is not a tensor of this architecture")));
}

TEST(LoadModel, LongListsOfProblemsAreCut) {
  TinyModel model = make_tiny_model("gemma3");
  model.tensors.resize(3);
  EXPECT_THAT(load_error(model), HasSubstr("more"));
}

TEST(LoadModel, LayersBeyondTheConfigAreUnknownTensors) {
  TinyModel model = make_tiny_model("llama");
  model.config["num_hidden_layers"] = 1;
  EXPECT_THAT(load_error(model), HasSubstr("model.layers.1."));
  model.config["num_hidden_layers"] = 3;
  EXPECT_THAT(load_error(model),
              HasSubstr("model.layers.2.input_layernorm.weight (96) is missing"));
}

TEST(LoadModel, AnUntiedHeadMustBeThere) {
  TinyModel model = make_tiny_model("qwen2");
  model.config["tie_word_embeddings"] = false;
  EXPECT_THAT(load_error(model), HasSubstr("lm_head.weight (259, 96) is missing"));
}

TEST(LoadModel, ATiedHeadMayBeRepeated) {
  TinyModel model = make_tiny_model("qwen2");
  TinyTensor head = model.tensor("model.embed_tokens.weight");
  head.name = "lm_head.weight";
  model.tensors.push_back(head);
  EXPECT_EQ(load_error(model), "");
}

TEST(LoadModel, OfATiedPairTheHeadAloneWillDo) {
  TinyModel model = make_tiny_model("qwen2");
  model.tensors[0].name = "lm_head.weight";
  EXPECT_EQ(load_error(model), "");
}

TEST(LoadModel, CheckpointsWithoutTheBasePrefixLoad) {
  for (const auto& [fixture, prefix] : {std::pair{"gpt2", "transformer."}, {"bert", "bert."}}) {
    TinyModel model = make_tiny_model(fixture);
    for (TinyTensor& t : model.tensors) t.name = t.name.substr(std::string(prefix).size());
    model.tensors.push_back(
        {fixture == std::string("gpt2") ? "h.0.attn.bias" : "embeddings.position_ids", {1}, {0}});
    EXPECT_EQ(load_error(model), "") << fixture;
  }
}

TEST(LoadModel, ProgressReachesTheEnd) {
  uint64_t last = 0, all = 0;
  LoadOptions options;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last);
    last = done;
    all = total;
  };
  ThreadPool pool(1);
  ASSERT_TRUE(load_model(std::make_shared<MemorySource>(make_tiny_model("llama")), pool, options));
  EXPECT_EQ(last, all);
  EXPECT_GT(all, 0u);
}

TEST(Model, CountsItsParametersOnce) {
  ThreadPool pool(1);
  for (const std::string& fixture : tiny_fixtures()) {
    const TinyModel tiny = make_tiny_model(fixture);
    uint64_t parameters = 0;
    for (const TinyTensor& t : tiny.tensors) parameters += t.values.size();
    const auto model = load_model(std::make_shared<MemorySource>(tiny), pool);
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->parameter_count(), parameters)
        << fixture;  // tied heads are not counted twice
    EXPECT_GE((*model)->weight_bytes(), parameters * sizeof(float)) << fixture;
  }
}

TEST(Model, WorkspaceIsExactlyAsLargeAsAStepNeeds) {
  ThreadPool pool(1);
  for (const std::string& fixture : tiny_fixtures()) {
    const auto model = *load_model(std::make_shared<MemorySource>(make_tiny_model(fixture)), pool);
    constexpr int32_t kRows = 7;
    const bool encoder = model->config().is_encoder;
    const std::vector<TokenId> tokens(kRows, 3);
    std::vector<int32_t> wanted(kRows);
    for (int32_t i = 0; i < kRows; ++i) wanted[static_cast<size_t>(i)] = i;
    const int64_t width = encoder ? model->config().hidden_size : model->config().vocab_size;
    Tensor out(kRows, width);
    const auto step = [&](size_t arena_bytes) {
      Workspace work(pool, arena_bytes);
      const BatchSequence sequence{kNoState, 0, kRows, 0};
      model->forward({.tokens = tokens,
                      .sequences = {&sequence, 1},
                      .wanted = wanted,
                      .output = encoder ? OutputKind::hidden_states : OutputKind::logits},
                     nullptr, work, out.view());
    };
    const size_t bytes = model->workspace_bytes(kRows, kRows);
    EXPECT_NO_THROW(step(bytes)) << fixture;
    EXPECT_THROW(step(bytes - 64), BugError) << fixture;
  }
}

TEST(Model, StateBytesAreThoseOfThePool) {
  ThreadPool pool(1);
  const auto model = *load_model(std::make_shared<MemorySource>(make_tiny_model("qwen3")), pool);
  for (const KvType type : {KvType::f32, KvType::f16}) {
    const auto states = *model->make_state_pool({.capacity_tokens = 64, .kv_type = type});
    EXPECT_EQ(states->bytes(), 64 * model->state_bytes_per_token(type));
  }
}

TEST(Model, EncodersHaveNoState) {
  ThreadPool pool(1);
  const auto model = *load_model(std::make_shared<MemorySource>(make_tiny_model("bert")), pool);
  const auto states = model->make_state_pool({.capacity_tokens = 64});
  ASSERT_FALSE(states);
  EXPECT_THAT(states.error().message, HasSubstr("encoder"));
}

TEST(Model, ImpossibleContextsAreRefused) {
  ThreadPool pool(1);
  const auto model = *load_model(std::make_shared<MemorySource>(make_tiny_model("llama")), pool);
  EXPECT_FALSE(model->make_state_pool({.capacity_tokens = 0}));
  EXPECT_FALSE(model->make_state_pool({.capacity_tokens = INT64_MAX}));
}

TEST(Model, HiddenStatesAreTheInputOfTheHead) {
  ThreadPool pool(1);
  const auto model = *load_model(std::make_shared<MemorySource>(make_tiny_model("llama")), pool);
  ModelRunner runner(model, pool);
  const std::vector<TokenId> tokens = {1, 2, 3};
  const auto hidden = runner.run(runner.create(), tokens, OutputKind::hidden_states);
  const auto logits = runner.run(runner.create(), tokens);
  const TinyModel tiny = make_tiny_model("llama");
  const TinyTensor& head = tiny.tensor("lm_head.weight");
  for (size_t id : {0, 100, 258}) {
    double expected = 0;
    for (size_t i = 0; i < 96; ++i)
      expected += static_cast<double>(hidden[2 * 96 + i]) * head.values[id * 96 + i];
    EXPECT_NEAR(logits[2 * 259 + id], expected, 1e-4);
  }
}

TEST(Model, BadWeightsShowAsNonFiniteLogits) {
  for (const float bad : {NAN, INFINITY}) {
    TinyModel tiny = make_tiny_model("qwen2");
    for (TinyTensor& t : tiny.tensors) {
      if (t.name == "model.layers.0.mlp.down_proj.weight") t.values[17] = bad;
    }
    ThreadPool pool(1);
    const auto model = *load_model(std::make_shared<MemorySource>(tiny), pool);
    const std::vector<TokenId> tokens = {1, 2, 3};
    auto logits = all_logits(model, pool, tokens);
    EXPECT_FALSE(is_all_finite({logits.data(), 3, 259, 259}));
  }
  std::vector<float> fine = {1, -3e38f, 0};
  EXPECT_TRUE(is_all_finite({fine.data(), 1, 3, 3}));
}

// A mapped file's pages would count beside the packed copies of them.
TEST(LoadModel, WhatWasPackedIsGivenBackToTheFile) {
  const auto source = std::make_shared<MemorySource>(make_tiny_model("qwen2"));
  ThreadPool pool(1);
  ASSERT_TRUE(load_model(source, pool));
  for (const TensorInfo& tensor : source->tensors()) {
    if (tensor.name == "model.embed_tokens.weight") continue;  // looked up where it lies
    EXPECT_TRUE(source->forgotten.contains(tensor.bytes.data())) << tensor.name;
  }
}

}  // namespace
}  // namespace jiang
