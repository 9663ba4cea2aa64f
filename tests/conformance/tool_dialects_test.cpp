// The dialect that is recognised for each real chat template, and calls through each of them.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json_value.h"
#include "chat/tool_traits.h"
#include "tests/support/test_data.h"
#include "tests/support/tiny_tokenizer.h"

namespace jiang {
namespace {

// "": tools are told in words.
const std::vector<std::pair<const char*, const char*>> kTemplates = {
    {"Qwen-Qwen2.5-7B-Instruct", "hermes"},
    {"Qwen-Qwen3-0.6B", "hermes"},
    {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes"},
    {"Reka-Edge", "hermes"},
    {"Bielik-11B-v3.0-Instruct", "hermes"},
    {"meta-llama-Llama-3.1-8B-Instruct", "llama3"},
    {"meta-llama-Llama-3.2-3B-Instruct", "llama3"},
    {"meta-llama-Llama-3.3-70B-Instruct", "llama3"},
    {"unsloth-mistral-Devstral-Small-2507", "mistral-args"},
    {"mistralai-Ministral-3-14B-Reasoning-2512", "mistral-args"},
    {"meetkai-functionary-medium-v3.1", "functionary"},
    {"moonshotai-Kimi-K2", "kimi-k2"},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "command-r"},
    {"google-gemma-2-2b-it", ""},
    {"deepseek-ai-DeepSeek-V3.1", ""},  // writes calls, and never says which tools there are
    {"llama-cpp-deepseek-r1", ""},  // fails with tools, in Jinja2 as well: a generator is no JSON
    {"MiroThinker", ""},            // fails with calls, in Jinja2 as well: 'tool' is undefined
};

TEST(ToolDialects, AreRecognisedByTheTemplate) {
  for (const auto& [name, dialect] : kTemplates) {
    JIANG_NEED_DATA(path, "chat_templates/llama.cpp/" + std::string(name) + ".jinja");
    TextAssets assets;
    assets.tokenizer = tiny_tokenizer();
    assets.chat_template = read_file(path, size_t{4} << 20).value();
    assets.bos_token = "<s>";
    assets.eos_token = "</s>";
    const auto chat = ChatModel::create(assets);
    ASSERT_TRUE(chat) << name << ": " << chat.error().message;
    const ToolTraits traits = tool_traits(*chat);
    EXPECT_EQ(traits.by_template ? traits.dialect->name : "", dialect) << name;
  }
}

}  // namespace
}  // namespace jiang
