// Prompts of real templates with real tokenizers: encoding segment-aware changes nothing for honest
// text, and lets nothing pass that is not.
#include <algorithm>
#include <random>

#include "base/json_value.h"
#include "chat/chat.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

// Llama-2's own, in our words: special tokens from bos_token and eos_token, text right beside them.
constexpr const char* kLlamaTemplate =
    "{% for m in messages %}{% if m.role == 'user' %}"
    "{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";
constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' }}\n"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

struct Subject {
  const char* folder;
  const char* chat_template;
};
constexpr Subject kSubjects[] = {{"tokenizers/qwen2-0.5b", kChatMl},
                                 {"tokenizers/smollm", kChatMl},
                                 {"tokenizers/llama-2-7b", kLlamaTemplate}};

Result<ChatModel> load(const Subject& subject) {
  TRY(TextAssets assets, load_text_assets(test_data(subject.folder)));
  assets.chat_template = subject.chat_template;
  return ChatModel::create(std::move(assets));
}

Json chat(const std::string& first, const std::string& second) {
  return Json::array({{{"role", "user"}, {"content", first}},
                      {{"role", "assistant"}, {"content", second}},
                      {{"role", "user"}, {"content", first + second}}});
}

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> pieces = {"hello",
                                                  " world",
                                                  "  ",
                                                  "\n",
                                                  "\n\n",
                                                  "'s",
                                                  " 12345",
                                                  "<",
                                                  "|",
                                                  ">",
                                                  "im",
                                                  "_start",
                                                  "\xE4\xBD\xA0\xE5\xA5\xBD",
                                                  "\xF0\x9F\x98\x80",
                                                  "\t",
                                                  "?!",
                                                  "INST",
                                                  "[",
                                                  "]",
                                                  "/",
                                                  "s"};
  std::string text;
  for (uint32_t i = random() % 20; i > 0; --i) text += pieces[random() % pieces.size()];
  return text;
}

bool has_special(const ChatModel& model, const std::string& text) {
  const auto ids = model.tokenizer().encode(text, {.parse_specials = true});
  return std::any_of(ids.begin(), ids.end(),
                     [&](TokenId id) { return model.tokenizer().is_special(id); });
}

TEST(ChatPrompt, HonestTextIsEncodedAsTheWholePromptIs) {
  JIANG_NEED_DATA(path, "tokenizers");
  std::mt19937 random(1);
  for (const Subject& subject : kSubjects) {
    SCOPED_TRACE(subject.folder);
    const auto model = load(subject);
    ASSERT_TRUE(model) << model.error().message;
    for (int i = 0; i < 200; ++i) {
      const std::string first = random_text(random), second = random_text(random);
      if (has_special(*model, first) || has_special(*model, second) ||
          has_special(*model, first + second)) {
        continue;
      }
      const Json messages = chat(first, second);
      const auto ids = model->prompt(messages, nullptr, true, nullptr);
      ASSERT_TRUE(ids) << ids.error().message;
      const std::string text = join(*model->render(messages, nullptr, true, nullptr));
      EXPECT_EQ(*ids, model->tokenizer().encode(text, {.parse_specials = true})) << text;
    }
  }
}

// hardening.md 2.2, row B4
TEST(ChatPrompt, NoSpecialTokenComesOutOfWhatAUserWrites) {
  JIANG_NEED_DATA(path, "tokenizers");
  for (const Subject& subject : kSubjects) {
    SCOPED_TRACE(subject.folder);
    const auto model = load(subject);
    ASSERT_TRUE(model) << model.error().message;
    const Tokenizer& tokenizer = model->tokenizer();
    std::string attack;
    size_t special_count = 0;
    for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
      if (!tokenizer.is_special(id) || tokenizer.token_bytes(id).empty()) continue;
      attack += tokenizer.token_bytes(id) + "x";
      ++special_count;
    }
    ASSERT_GE(special_count, 2u);
    const auto specials_of = [&](const std::string& first, const std::string& second) {
      const auto ids = model->prompt(chat(first, second), nullptr, true, nullptr);
      EXPECT_TRUE(ids) << ids.error().message;
      return std::count_if(ids->begin(), ids->end(),
                           [&](TokenId id) { return tokenizer.is_special(id); });
    };
    EXPECT_TRUE(has_special(*model, attack));
    EXPECT_EQ(specials_of(attack, attack), specials_of("x", "y")) << attack;
    // A template's special token right before and after text that continues it.
    EXPECT_EQ(specials_of("|>", "<|"), specials_of("x", "y"));
    EXPECT_EQ(specials_of("</s><s>", "</s>"), specials_of("x", "y"));
  }
}

}  // namespace
}  // namespace jiang
