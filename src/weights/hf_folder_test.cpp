#include "weights/hf_folder.h"

#include <gtest/gtest.h>

#include "base/json_value.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

TEST(HfFolder, ReadsTinyStories) {
  JIANG_NEED_DATA(path, "weights/tinystories-656k");
  const auto source = open_tensor_source(path);
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ((*source)->tensors().size(), 20u);
  EXPECT_EQ((*source)->metadata(), nullptr);
  EXPECT_FALSE((*source)->conventions().rope_interleaved);
  const TensorInfo* k = (*source)->find("model.layers.1.self_attn.k_proj.weight");
  ASSERT_TRUE(k);
  EXPECT_EQ(k->shape, (Shape{64, 128}));
  EXPECT_EQ(k->format, Format::f32);
  EXPECT_EQ(k->source_name, k->name);
  EXPECT_EQ((*source)->config()["num_key_value_heads"], 4);
  EXPECT_EQ((*source)->generation_config()["eos_token_id"], 2);
  EXPECT_TRUE((*source)->still_whole());
}

TEST(HfFolder, ReadsModel2VecInEveryDtype) {
  for (const auto& [name, usable] :
       {std::pair{"float32", true}, {"float16", true}, {"int8", false}}) {
    JIANG_NEED_DATA(path, fmt::format("weights/model2vec/test-model-{}", name));
    const auto source = open_tensor_source(path);
    ASSERT_TRUE(source) << source.error().message;
    const auto table = (*source)->require("embeddings");
    EXPECT_EQ(table.has_value(), usable);
    if (usable) {
      EXPECT_EQ((*table)->shape, (Shape{29528, 2}));
    } else {
      EXPECT_NE(table.error().message.find("I8"), std::string::npos) << table.error().message;
    }
  }
}

}  // namespace
}  // namespace jiang
