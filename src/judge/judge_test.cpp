#include "judge/judge.h"

#include <gtest/gtest.h>

#include "base/json_value.h"
#include "judge/answer_text.h"

namespace jiang {
namespace {

TEST(AnswerText, TheFirstCBlockIsTheProgram) {
  EXPECT_EQ(first_c_program("Sure!\n\n```c\nint x;\n```\n\n```c\nint y;\n```"), "int x;\n");
  EXPECT_EQ(first_c_program("```bash\ngcc\n```\n```C\nint z;\n```"), "int z;\n");
  EXPECT_EQ(first_c_program("```\nint bare;\n```"), "int bare;\n");
  EXPECT_EQ(first_c_program("```python\nx = 1\n```"), std::nullopt);
  EXPECT_EQ(first_c_program("no block, only `int x;`"), std::nullopt);
}

TEST(AnswerText, ABlockThatIsCutOffIsNoProgram) {
  EXPECT_EQ(first_c_program("```c\nint main(void) {"), std::nullopt);
  EXPECT_EQ(first_c_program("```c"), std::nullopt);
}

TEST(AnswerText, LanguageIsThatOfTheProse) {
  EXPECT_EQ(
      language_of("好的，我们来写。\n```c\nint main(void) { return 0; }\n```\n用`printf`输出。"),
      "zh");
  EXPECT_EQ(language_of("Here it is.\n```c\n// 注释\nint x;\n```\nDone."), "en");
  EXPECT_EQ(language_of("I am 代码匠, a small model for C."), "en");
  EXPECT_EQ(language_of("This program 交换 two variables 的值 and prints 它们"), "");
  EXPECT_EQ(language_of("```c\nint x;\n```"), "");
  EXPECT_EQ(language_of(""), "");
}

TEST(AnswerText, WordsMustComeInOrder) {
  EXPECT_TRUE(occur_in_order("1 2 3 10", {"1", "3", "10"}));
  EXPECT_FALSE(occur_in_order("3 2 1", {"1", "2"}));
  EXPECT_FALSE(occur_in_order("1", {"1", "1"}));
  EXPECT_TRUE(occur_in_order("", {}));
}

JudgeQuestion question_of(const char* text) {
  auto json = parse_json(text, "test");
  EXPECT_TRUE(json) << json.error().message;
  auto question = parse_question(*json, "test");
  EXPECT_TRUE(question) << question.error().message;
  return *question;
}

constexpr const char* kSum =
    R"({"kind":"paraphrase","lang":"en","topic":"sum","messages":[{"role":"user","content":"add"}],
        "checks":[{"cases":[{"stdin":"2 3\n","need":["5"]},{"stdin":"-1 1\n","need":["0"]}]}],
        "points":["input with scanf","variables","output with printf"]})";
constexpr const char* kOutside =
    R"({"kind":"outside","lang":"en","messages":[{"role":"user","content":"weather?"}]})";

TEST(JudgeQuestion, WrongLinesAreRefusedByName) {
  for (const char* text :
       {R"({"kind":"other","lang":"en","messages":[{"content":"x"}]})",
        R"({"kind":"outside","lang":"fr","messages":[{"content":"x"}]})",
        R"({"kind":"outside","lang":"en","messages":[]})",
        R"({"kind":"paraphrase","lang":"en","messages":[{"content":"x"}],"checks":[{}]})",
        R"({"kind":"outside","lang":"en","messages":[{"content":"x"}],"points":[1]})"}) {
    auto question = parse_question(*parse_json(text, "t"), "file:3");
    ASSERT_FALSE(question) << text;
    EXPECT_NE(question.error().message.find("file:3"), std::string::npos);
  }
}

std::string sum_answer(const std::string& operation) {
  return "Sure, here it is.\n\n```c\n#include <stdio.h>\n\nint main(void) {\n    int a, b;\n"
         "    if (scanf(\"%d %d\", &a, &b) != 2) {\n        return 1;\n    }\n"
         "    printf(\"%d\\n\", a " +
         operation +
         " b);\n    return 0;\n}\n```\n\n**Key points**\n- **variables**: storage\n- **input with "
         "scanf**: reads\n";
}

class Judged : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Sandbox::open();
    if (!opened) GTEST_SKIP() << opened.error().message;
    sandbox = *std::move(opened);
  }
  Verdict verdict(const char* question, const std::string& answer) {
    auto result = judge(question_of(question), answer, *sandbox);
    EXPECT_TRUE(result) << result.error().message;
    return *result;
  }
  std::unique_ptr<Sandbox> sandbox;
};

TEST_F(Judged, AProgramMustPassEveryCase) {
  const Verdict good = verdict(kSum, sum_answer("+"));
  EXPECT_TRUE(good.compiles && good.behaves && good.has_points && good.right_language);
  EXPECT_EQ(good.reason, "");
  const Verdict wrong = verdict(kSum, sum_answer("-"));
  EXPECT_TRUE(wrong.compiles);
  EXPECT_FALSE(wrong.behaves);
  EXPECT_EQ(wrong.reason.rfind("prints", 0), 0u) << wrong.reason;
}

TEST_F(Judged, AWarningDoesNotCompile) {
  std::string answer = sum_answer("+");
  answer.replace(answer.find("int a, b;"), 9, "int a, b, unused;");
  const Verdict v = verdict(kSum, answer);
  EXPECT_FALSE(v.compiles || v.behaves);
  EXPECT_NE(v.reason.find("unused"), std::string::npos) << v.reason;
}

TEST_F(Judged, OneAlternativeSuffices) {
  const char* either =
      R"({"kind":"paraphrase","lang":"en","messages":[{"content":"x"}],"checks":[
          {"cases":[{"stdin":"2 3\n","need":["6"]}]},{"cases":[{"stdin":"2 3\n","need":["5"]}]}]})";
  EXPECT_TRUE(verdict(either, sum_answer("+")).behaves);
}

TEST(JudgeText, ARefusalNamesABiggerModelAndWritesNoProgram) {
  const JudgeQuestion outside = question_of(kOutside);
  EXPECT_TRUE(judge_text(outside, "I only know C; try `jiang pull qwen2.5:1.5b`.").refuses);
  EXPECT_FALSE(judge_text(outside, "It will rain.").refuses);
  EXPECT_FALSE(judge_text(outside, "`jiang pull x`\n```c\nint x;\n```").refuses);
}

TEST(JudgeText, PointsMustStandBehindTheirHeading) {
  const JudgeQuestion sum = question_of(kSum);
  EXPECT_TRUE(judge_text(sum, "**Key points**\n- variables\n- output with printf").has_points);
  EXPECT_FALSE(judge_text(sum, "**Key points**\n- variables").has_points);
  EXPECT_FALSE(judge_text(sum, "variables and output with printf").has_points);
}

TEST(Figures, PresetsAndOutsideAreCountedApart) {
  Figures figures;
  JudgeQuestion sum = question_of(kSum);
  figures.add(sum, {.compiles = true, .behaves = true, .right_language = true});
  sum.kind = JudgeQuestion::Kind::preset;
  figures.add(sum, {.right_language = true});
  figures.add(question_of(kOutside), {.right_language = false, .refuses = true});
  EXPECT_EQ(figures.behaves.good, 1);
  EXPECT_EQ(figures.behaves.of, 1);
  EXPECT_EQ(figures.behaves_preset.of, 1);
  EXPECT_EQ(figures.refusal.good, 1);
  EXPECT_EQ(figures.language.of, 3);
  EXPECT_EQ(figures.language.good, 2);
  EXPECT_NE(to_table(figures).find("100.0 %"), std::string::npos);
}

}  // namespace
}  // namespace jiang
