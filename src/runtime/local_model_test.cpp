#include "runtime/local_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/word_tokenizer.h"

namespace jiang {
namespace {

using testing::HasSubstr;

std::string verdict(const WordTokenizer& model, const WordTokenizer& draft) {
  const auto same = check_same_vocabulary(model, draft);
  return same ? "same" : same.error().message;
}

TEST(SameVocabulary, TheSameTokensAreTheSame) {
  EXPECT_EQ(verdict({{"a", "b"}, {"</s>"}}, {{"a", "b"}, {"</s>"}}), "same");
}

TEST(SameVocabulary, AnotherTokenIsNamedWithItsIdAndBothTexts) {
  const std::string refusal = verdict({{"a", "b"}, {"</s>"}}, {{"a", "c\n"}, {"</s>"}});
  EXPECT_THAT(refusal, HasSubstr("token 1 is \"c\\n\" there and \"b\" in the model"));
  EXPECT_THAT(refusal, HasSubstr("3 tokens, the model has 3"));
}

TEST(SameVocabulary, AMissingTokenIsADifference) {
  const std::string refusal = verdict({{"a", "b"}, {"</s>", "<x>"}}, {{"a", "b"}, {"</s>"}});
  EXPECT_THAT(refusal, HasSubstr("3 tokens, the model has 4"));
  EXPECT_THAT(refusal, HasSubstr("token 3 is nothing there and \"<x>\" in the model"));
}

TEST(SameVocabulary, PaddingIsNoDifference) {
  const WordTokenizer bare({"a", "b"}, {"</s>"});
  const WordTokenizer padded({"a", "b"}, {"</s>", "[PAD3]", "[PAD4]"});
  EXPECT_EQ(verdict(bare, padded), "same");
  EXPECT_EQ(verdict(padded, bare), "same");
  EXPECT_THAT(verdict(bare, {{"a", "b"}, {"</s>", "[PAD9]"}}), HasSubstr("token 3"))
      << "padding says its own number";
}

}  // namespace
}  // namespace jiang
