// The rows of hardening.md 2.1 that a safetensors file can cause, by their numbers.
#include "weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/safetensors_bytes.h"

namespace jiang {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

Result<std::vector<SafetensorsEntry>> parse_header(std::string_view bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)), "m.safetensors");
}
// "" when it loads.
std::string safetensors_error(std::string_view bytes) {
  const auto entries = parse_header(bytes);
  return entries ? "" : entries.error().message;
}

constexpr std::string_view kEightBytes = "01234567";

// The error for one tensor "t" of this description over 8 bytes of data.
std::string error_of_tensor(std::string_view description) {
  return safetensors_error(
      safetensors_bytes(fmt::format("{{\"t\":{}}}", description), kEightBytes));
}

std::string honest_file() {
  return safetensors_bytes({{"b", "F32", {2, 3}, std::string(24, 'b')},
                            {"a", "BF16", {3}, "aaaaaa"},
                            {"ids", "I64", {1, 2}, std::string(16, 'i')},
                            {"scalar", "F16", {}, "ss"},
                            {"none", "F32", {0, 5}, ""}});
}

TEST(Safetensors, ReadsWhatIsThere) {
  const std::string bytes = honest_file();
  const auto entries = parse_header(bytes);
  ASSERT_TRUE(entries) << entries.error().message;
  ASSERT_EQ(entries->size(), 5u);
  const SafetensorsEntry& b = (*entries)[0];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.format, Format::f32);
  EXPECT_EQ(b.shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(b.bytes.data()), b.bytes.size()),
            std::string(24, 'b'));
  EXPECT_EQ((*entries)[1].format, Format::bf16);
  EXPECT_EQ((*entries)[2].dtype, "I64");
  EXPECT_EQ((*entries)[2].format, std::nullopt);
  EXPECT_EQ((*entries)[3].format, Format::f16);
}

TEST(Safetensors, TheOrderOfTheHeaderIsFreeAndSpacesMayFollowIt) {
  const std::string header = R"({"late":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},
                                 "early":{"data_offsets":[0,4],"shape":[1],"dtype":"F32"}}     )";
  const auto bytes = safetensors_bytes(header, kEightBytes);
  const auto entries = parse_header(bytes);
  ASSERT_TRUE(entries) << entries.error().message;
  EXPECT_EQ((*entries)[0].name, "early");
  EXPECT_EQ(safetensors_error(safetensors_bytes("{}", "")), "");
}

// A1
TEST(Safetensors, EveryPrefixIsRefused) {
  const std::string bytes = honest_file();
  ASSERT_EQ(safetensors_error(bytes), "");
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_THAT(safetensors_error(std::string_view(bytes).substr(0, length)),
                HasSubstr("truncated"))
        << length;
  }
}

// A2
TEST(Safetensors, EveryFlippedBitGivesAnErrorOrACleanFile) {
  std::string bytes = honest_file();
  const size_t header = bytes.size() - 48;
  uint64_t touched = 0;
  for (size_t bit = 0; bit < header * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    if (const auto entries = parse_header(bytes)) {
      for (const SafetensorsEntry& entry : *entries) {
        for (const std::byte byte : entry.bytes) touched += static_cast<uint64_t>(byte);
      }
    } else {
      EXPECT_FALSE(entries.error().message.empty());
    }
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
  EXPECT_GT(touched, 0u);
}

// A5, A6
TEST(Safetensors, OffsetsAndShapesMustFit) {
  EXPECT_EQ(error_of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"), "");
  for (
      const char* bad : {
          R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})",
          R"({"dtype":"F32","shape":[3],"data_offsets":[0,12]})",
          R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})",
          R"({"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,0]})",
          R"({"dtype":"F32","shape":[2],"data_offsets":[18446744073709551612,18446744073709551615]})",
          R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})",
          R"({"dtype":"F16","shape":[2],"data_offsets":[0,8]})",
          R"({"dtype":"F4","shape":[15],"data_offsets":[0,8]})",
          R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]})",
          R"({"dtype":"F32","shape":[9223372036854775808,2],"data_offsets":[0,8]})",
          R"({"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]})",
          R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]})",
      }) {
    EXPECT_THAT(error_of_tensor(bad), AnyOf(HasSubstr("tensor t"), HasSubstr("t:"))) << bad;
  }
}

// A14
TEST(Safetensors, OverlapsHolesAndTrailingDataAreRefused) {
  const auto two = [](int begin_a, int end_a, int begin_b, int end_b, size_t size) {
    return safetensors_error(safetensors_bytes(
        fmt::format(
            R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},"b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
            end_a - begin_a, begin_a, end_a, end_b - begin_b, begin_b, end_b),
        std::string(size, 'x')));
  };
  EXPECT_EQ(two(0, 4, 4, 8, 8), "");
  EXPECT_THAT(two(0, 4, 2, 8, 8), HasSubstr("overlaps"));
  EXPECT_THAT(two(0, 8, 0, 8, 8), HasSubstr("overlaps"));
  EXPECT_THAT(two(0, 8, 2, 4, 8), HasSubstr("overlaps"));
  EXPECT_THAT(two(0, 4, 5, 8, 8), HasSubstr("behind a hole"));
  EXPECT_THAT(two(1, 4, 4, 8, 8), HasSubstr("behind a hole"));
  EXPECT_THAT(two(0, 4, 4, 8, 12), HasSubstr("4 bytes of unknown data follow"));
  EXPECT_THAT(safetensors_error(honest_file() + "PK\x03\x04" + std::string(50, 'z')),
              HasSubstr("54 bytes of unknown data"));
}

// A15
TEST(Safetensors, HugeHeadersAreRefused) {
  // A length alone needs no memory at all.
  std::string claim = safetensors_bytes("{}", "");
  const uint64_t huge = 100'000'001;
  std::memcpy(claim.data(), &huge, 8);
  EXPECT_THAT(safetensors_error(claim), HasSubstr("header of 100000001 bytes, at most 100000000"));
  const uint64_t largest = ~uint64_t{0};
  std::memcpy(claim.data(), &largest, 8);
  EXPECT_THAT(safetensors_error(claim), HasSubstr("at most 100000000"));

  EXPECT_THAT(safetensors_error(safetensors_bytes(std::string(99'000'000, '['), "")),
              HasSubstr("no JSON object"));
  EXPECT_THAT(safetensors_error(safetensors_bytes("{\"a\":" + std::string(50'000'000, '['), "")),
              HasSubstr("unexpected a list"));
  EXPECT_THAT(safetensors_error(
                  safetensors_bytes("{\"__metadata__\":{\"a\":" + std::string(1000, '{'), "")),
              HasSubstr("nested too deep"));
}

TEST(Safetensors, AHundredThousandTensorsAreReadAndMoreRefused) {
  const auto file = [](int count) {
    std::string header = "{";
    for (int i = 0; i < count; ++i) {
      header += fmt::format("{}\"t{}\":{{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[{},{}]}}",
                            i ? "," : "", i, i, i + 1);
    }
    return safetensors_bytes(header + "}", std::string(static_cast<size_t>(count), 'x'));
  };
  const std::string many = file(100'000);
  const auto entries = parse_header(many);
  ASSERT_TRUE(entries) << entries.error().message;
  EXPECT_EQ(entries->size(), 100'000u);
  EXPECT_THAT(safetensors_error(file(131'073)), HasSubstr("more than 131072 tensors"));
}

// A16
TEST(Safetensors, OddHeadersAreRefused) {
  const std::string good = R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  ASSERT_EQ(safetensors_error(safetensors_bytes(good, kEightBytes)), "");
  EXPECT_THAT(safetensors_error(safetensors_bytes(good + std::string(3, '\0'), kEightBytes)),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(safetensors_error(safetensors_bytes(" " + good, kEightBytes)),
              HasSubstr("no JSON object"));
  EXPECT_THAT(safetensors_error(safetensors_bytes(good + "{}", kEightBytes)),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(safetensors_error(safetensors_bytes("{\"t\xff\":1}", "")),
              HasSubstr("not valid JSON"));
  EXPECT_THAT(safetensors_error(safetensors_bytes("{\"\\ud800\":1}", "")),
              HasSubstr("not valid JSON"));
  const std::string entry = good.substr(5, good.size() - 6);
  EXPECT_THAT(safetensors_error(
                  safetensors_bytes("{\"t\":" + entry + ",\"t\":" + entry + "}", kEightBytes)),
              HasSubstr("t stands twice"));
  EXPECT_THAT(safetensors_error(safetensors_bytes(R"({"__metadata__":{"a":"b","a":"c"}})", "")),
              HasSubstr("a stands twice"));
  EXPECT_THAT(safetensors_error(safetensors_bytes(R"({"__metadata__":{},"__metadata__":{}})", "")),
              HasSubstr("stands twice"));
  EXPECT_THAT(safetensors_error(safetensors_bytes(R"({"__metadata__":{"a":1}})", "")),
              HasSubstr("unexpected a number"));
  EXPECT_THAT(safetensors_error(safetensors_bytes(R"({"__metadata__":"a"})", "")),
              HasSubstr("unexpected a string"));
  for (const char* name : {"", "a\\u001b[2J", "a b", "\\u0000"}) {
    EXPECT_THAT(safetensors_error(
                    safetensors_bytes(fmt::format("{{\"{}\":{}}}", name, entry), kEightBytes)),
                HasSubstr("cannot name a tensor"));
  }

  EXPECT_THAT(error_of_tensor(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
              HasSubstr("dtype twice"));
  EXPECT_THAT(error_of_tensor(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})"),
              HasSubstr("unknown dtype \"F33\""));
  EXPECT_THAT(error_of_tensor(R"({"dtype":"f32","shape":[2],"data_offsets":[0,8]})"),
              HasSubstr("unknown dtype"));
  EXPECT_THAT(error_of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})"),
              HasSubstr("unknown field x"));
  for (const char* incomplete :
       {R"({"shape":[2],"data_offsets":[0,8]})", R"({"dtype":"F32","data_offsets":[0,8]})",
        R"({"dtype":"F32","shape":[2]})", "{}"}) {
    EXPECT_THAT(error_of_tensor(incomplete),
                HasSubstr("needs \"dtype\", \"shape\" and \"data_offsets\""));
  }
  for (const char* number : {"-1", "0.0", "1e400", "-0", "1e1", "18446744073709551616", "true",
                             "null", "\"8\"", "[8]", "{}"}) {
    EXPECT_NE(error_of_tensor(
                  fmt::format(R"({{"dtype":"F32","shape":[2],"data_offsets":[0,{}]}})", number)),
              "")
        << number;
    EXPECT_NE(error_of_tensor(
                  fmt::format(R"({{"dtype":"F32","shape":[{}],"data_offsets":[0,8]}})", number)),
              "")
        << number;
  }
  for (const char* offsets : {"[]", "[0]", "[0,4,8]", "8", "null", "{}"}) {
    EXPECT_NE(
        error_of_tensor(fmt::format(R"({{"dtype":"F32","shape":[2],"data_offsets":{}}})", offsets)),
        "")
        << offsets;
  }
  for (const char* value : {"1", "null", "[]", "\"x\"", "true", "-1", "1.5"})
    EXPECT_NE(error_of_tensor(value), "") << value;
}

}  // namespace
}  // namespace jiang
