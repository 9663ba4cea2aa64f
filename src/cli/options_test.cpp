#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace jiang {
namespace {

struct Parsed {
  std::string model;
  std::vector<std::string> rest;
  std::optional<std::string> prompt;
  std::vector<std::string> stop;
  std::optional<int32_t> max_tokens;
  std::optional<float> temp;
  std::optional<uint64_t> seed;
  std::string pool = "mean";
  bool raw = false;
  Result<bool> result = false;
};

Parsed parse(const std::vector<std::string>& arguments) {
  Parsed out;
  Options options("run");
  options.positional(out.model, "MODEL", Options::Need::required, "");
  options.rest(out.rest, "PROMPT", "");
  options.text(out.prompt, "-p,--prompt", "TEXT", "");
  options.texts(out.stop, "--stop", "TEXT", "");
  options.number(out.max_tokens, "-n,--max-tokens", Range<int32_t>{-1, 1000}, "");
  options.number(out.temp, "--temp", Range<float>{0, 100}, "");
  options.number(out.seed, "--seed", Range<uint64_t>{0, UINT64_MAX}, "");
  options.choice(out.pool, "--pool", {"mean", "cls"}, "");
  options.flag(out.raw, "--raw", "");
  out.result = options.parse(arguments);
  return out;
}

std::string error_of(const std::vector<std::string>& arguments) {
  setenv("LC_ALL", "C", 1);
  const Parsed parsed = parse(arguments);
  if (parsed.result) return "no error";
  EXPECT_EQ(parsed.result.error().kind, ErrorKind::invalid_argument);
  return parsed.result.error().message;
}

TEST(Options, ReadsFlagsValuesAndPositionalsInAnyOrder) {
  const Parsed parsed = parse({"--raw", "m.gguf", "-n5", "--temp=0.5", "why", "is", "-p", "a b",
                               "--seed", "18446744073709551615"});
  ASSERT_TRUE(parsed.result) << parsed.result.error().message;
  EXPECT_TRUE(*parsed.result);
  EXPECT_EQ(parsed.model, "m.gguf");
  EXPECT_THAT(parsed.rest, testing::ElementsAre("why", "is"));
  EXPECT_EQ(parsed.prompt, "a b");
  EXPECT_EQ(parsed.max_tokens, 5);
  EXPECT_EQ(parsed.temp, 0.5f);
  EXPECT_EQ(parsed.seed, UINT64_MAX);
  EXPECT_TRUE(parsed.raw);
}

TEST(Options, TextsAreTakenVerbatim) {
  for (const char* text : {"", "-dash", "--raw", "[END]", "{}", "[]", "a,b", "%%", "'q'", "\"q\"",
                           "line\nline", "#x"}) {
    const Parsed parsed = parse({"m", "-p", text, "--stop", text, "--stop", "b"});
    ASSERT_TRUE(parsed.result) << text << ": " << parsed.result.error().message;
    EXPECT_EQ(parsed.prompt, text);
    EXPECT_THAT(parsed.stop, testing::ElementsAre(text, "b"));
  }
}

TEST(Options, AfterTwoDashesAllIsPositional) {
  const Parsed parsed = parse({"--raw", "m", "--", "--temp", "-x", "--"});
  ASSERT_TRUE(parsed.result) << parsed.result.error().message;
  EXPECT_EQ(parsed.model, "m");
  EXPECT_THAT(parsed.rest, testing::ElementsAre("--temp", "-x", "--"));
  EXPECT_EQ(parse({"--", "-m"}).model, "-m");
}

TEST(Options, TheLastOfARepeatedValueWins) {
  EXPECT_EQ(parse({"m", "-n", "1", "-n", "2"}).max_tokens, 2);
}

TEST(Options, UnknownOptionSuggestsTheClosest) {
  EXPECT_THAT(error_of({"m", "--tmep", "1"}), testing::HasSubstr("did you mean '--temp'?"));
  EXPECT_THAT(error_of({"m", "--max-token=1"}), testing::HasSubstr("'--max-tokens'"));
  EXPECT_THAT(error_of({"m", "--xyzzyplugh"}), testing::HasSubstr("jiang help run"));
}

TEST(Options, NumbersBeyondTheirRangeAreNamed) {
  EXPECT_EQ(error_of({"m", "--temp", "-1"}), "--temp must lie between 0 and 100, got -1");
  EXPECT_EQ(error_of({"m", "--temp", "nan"}), "--temp must lie between 0 and 100, got nan");
  EXPECT_THAT(error_of({"m", "-n", "1001"}), testing::HasSubstr("--max-tokens must lie between"));
  EXPECT_THAT(error_of({"m", "-n", "99999999999999999999"}),
              testing::HasSubstr("must lie between"));
  EXPECT_THAT(error_of({"m", "-n", "1x"}), testing::HasSubstr("needs a whole number"));
  EXPECT_THAT(error_of({"m", "-n", ""}), testing::HasSubstr("needs a whole number"));
  EXPECT_THAT(error_of({"m", "--seed", "-3"}), testing::HasSubstr("needs a whole number"));
  EXPECT_THAT(error_of({"m", "--temp", "inf"}), testing::HasSubstr("must lie between"));
}

TEST(Options, MissingValuesAndArgumentsAreNamed) {
  EXPECT_THAT(error_of({"m", "--temp"}), testing::HasSubstr("--temp needs a value"));
  EXPECT_THAT(error_of({"--raw"}), testing::HasSubstr("MODEL is missing"));
  EXPECT_THAT(error_of({"m", "--pool", "max"}), testing::HasSubstr("mean|cls"));
}

}  // namespace
}  // namespace jiang
