// The rows of hardening.md 2.1 that a GGUF file can cause, by their numbers, and what is read
// right.
#include "weights/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json_value.h"
#include "tests/support/gguf_bytes.h"
#include "weights/gguf_config.h"

namespace jiang {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ8_0 = 8;

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Result<GgufFile> parse(std::string_view text) { return parse_gguf(as_bytes(text), "m.gguf"); }

// "" when it loads.
std::string file_error(std::string_view text) {
  const auto file = parse(text);
  return file ? "" : file.error().message;
}
std::string file_error(const GgufBytes& file) { return file_error(file.bytes()); }

// Three honest files: plain floats; quantised with arrays; version 2 with another alignment.
std::vector<std::string> honest_files() {
  GgufBytes llama = tiny_gguf("llama");
  llama.zeros("token_embd.weight", {64, 10})
      .zeros("output_norm.weight", {64})
      .floats("rope_freqs.weight", {1, 2, 3});
  GgufBytes qwen2 = tiny_gguf("qwen2");
  qwen2.strings("tokenizer.ggml.tokens", {"a", "", "\xe4\xbd\xa0"})
      .array<float>("tokenizer.ggml.scores", kGgufFloat32, {0.5f, -1, 2})
      .array<int32_t>("tokenizer.ggml.token_type", kGgufInt32, {1, 2, 3})
      .array<uint8_t>("flags", kGgufBool, {1, 0})
      .boolean("tokenizer.ggml.add_bos_token", false)
      .tensor("blk.0.attn_q.weight", {64, 3}, kQ8_0, std::string(3 * 68, 'x'))
      .tensor("blk.0.attn_q.bias", {5}, kF32, std::string(20, '\0'));
  GgufBytes old = tiny_gguf("bert");
  old.version = 2;
  old.alignment = 64;
  old.u32("general.alignment", 64).f32("bert.attention.layer_norm_epsilon", 1e-12f);
  old.zeros("token_embd.weight", {64, 3}).zeros("token_types.weight", {64, 2});
  return {llama.bytes(), qwen2.bytes(), old.bytes()};
}

TEST(GgufFile, ReadsWhatIsThere) {
  const std::string bytes = honest_files()[1];
  const auto file = parse(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->version, 3u);
  const Metadata& metadata = file->metadata;
  EXPECT_EQ((*metadata.get_strings("tokenizer.ggml.tokens"))->at(2), "\xe4\xbd\xa0");
  EXPECT_EQ((*metadata.get_numbers("tokenizer.ggml.scores"))->at(1), -1.0);
  EXPECT_EQ(metadata.get_ints("tokenizer.ggml.token_type")->at(2), 3);
  EXPECT_EQ(*metadata.get_bool("tokenizer.ggml.add_bos_token"), false);
  ASSERT_EQ(file->tensors.size(), 2u);
  EXPECT_EQ(file->tensors[0].format, Format::q8_0);
  EXPECT_EQ(file->tensors[0].shape, (Shape{3, 64}));
  EXPECT_EQ(file->tensors[0].bytes.size(), 3u * 68);
  EXPECT_EQ(file->tensors[0].bytes[7], std::byte{'x'});
  EXPECT_EQ(file->tensors[1].bytes.data() - file->tensors[0].bytes.data(), 224);
}

TEST(GgufFile, ReadsEveryNumberType) {
  GgufBytes file;
  file.key<uint8_t>("u8", kGgufUint8, 200)
      .key<int8_t>("i8", kGgufInt8, -3)
      .key<uint16_t>("u16", kGgufUint16, 60000);
  file.key<int16_t>("i16", kGgufInt16, -300)
      .u32("u32", 4000000000u)
      .i32("i32", -70000)
      .f32("f32", 0.5f);
  file.key<uint64_t>("u64", kGgufUint64, ~uint64_t{0}).key<int64_t>("i64", kGgufInt64, INT64_MIN);
  file.key<double>("f64", kGgufFloat64, 1e300).boolean("bool", true);
  const std::string bytes = file.bytes();
  const auto parsed = parse(bytes);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const std::map<std::string, MetaValue, std::less<>> expected = {{"u8", uint64_t{200}},
                                                                  {"i8", int64_t{-3}},
                                                                  {"u16", uint64_t{60000}},
                                                                  {"i16", int64_t{-300}},
                                                                  {"u32", uint64_t{4000000000u}},
                                                                  {"i32", int64_t{-70000}},
                                                                  {"f32", 0.5},
                                                                  {"u64", ~uint64_t{0}},
                                                                  {"i64", int64_t{INT64_MIN}},
                                                                  {"f64", 1e300},
                                                                  {"bool", true}};
  EXPECT_EQ(parsed->metadata.values, expected);
}

// A1
TEST(GgufFile, EveryPrefixIsCalledTruncated) {
  for (const std::string& bytes : honest_files()) {
    ASSERT_EQ(file_error(bytes), "");
    const auto file = parse(bytes);
    const GgufTensorEntry& last = file->tensors.back();
    const size_t end =
        static_cast<size_t>(last.bytes.data() - as_bytes(bytes).data()) + last.bytes.size();
    for (size_t length = 0; length < end; ++length) {
      EXPECT_THAT(file_error(std::string_view(bytes).substr(0, length)),
                  HasSubstr("truncated at byte"))
          << length;
    }
  }
}

// A2: what is not noticed must still be clean: every byte of every tensor can be read.
TEST(GgufFile, EveryFlippedBitGivesAnErrorOrACleanFile) {
  uint64_t touched = 0;
  for (std::string bytes : honest_files()) {
    const size_t header = static_cast<size_t>(parse(bytes)->data_offset);
    for (size_t bit = 0; bit < header * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      if (const auto file = parse(bytes)) {
        for (const GgufTensorEntry& tensor : file->tensors) {
          for (const std::byte byte : tensor.bytes) touched += static_cast<uint64_t>(byte);
        }
        const auto config = config_from_gguf(file->metadata, file->tensors, "m.gguf");
        EXPECT_TRUE(config || !config.error().message.empty());
      } else {
        EXPECT_FALSE(file.error().message.empty());
      }
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
  }
  EXPECT_GT(touched, 0u);
}

// A3
TEST(GgufFile, StringsLongerThanTheFileAreRefusedBeforeAnythingIsAllocated) {
  for (const uint64_t length :
       {uint64_t{1000}, uint64_t{1} << 31, uint64_t{1} << 63, ~uint64_t{0}}) {
    const std::string claim(reinterpret_cast<const char*>(&length), 8);
    ByteWriter key;
    key.bytes = "GGUF";
    key.u32(3).u64(0).u64(1).u64(length).bytes += std::string(20, 'k');
    EXPECT_THAT(file_error(key.bytes), HasSubstr("truncated at byte"));
    GgufBytes value;
    value.raw_key("k", ByteWriter().u32(kGgufString).bytes + claim + "abc");
    EXPECT_THAT(file_error(value), AllOf(HasSubstr("truncated at byte"), HasSubstr("k needs")));
    GgufBytes element;
    element.raw_key("k",
                    ByteWriter().u32(kGgufArray).u32(kGgufString).u64(1).bytes + claim + "abc");
    EXPECT_THAT(file_error(element), HasSubstr("truncated at byte"));
    ByteWriter name;
    name.bytes = "GGUF";
    name.u32(3).u64(1).u64(0).u64(length).bytes += std::string(40, 'n');
    EXPECT_THAT(file_error(name.bytes), HasSubstr("truncated at byte"));
  }
}

// A4
TEST(GgufFile, CountsThatCannotFitAreRefusedBeforeAnythingIsAllocated) {
  for (const uint64_t count : {uint64_t{1000}, uint64_t{1} << 32, uint64_t{1} << 60,
                               uint64_t{1} << 63, ~uint64_t{0} - 10}) {
    GgufBytes keys = tiny_gguf("llama");
    keys.extra_keys = count;
    EXPECT_THAT(file_error(keys), AnyOf(HasSubstr("metadata keys"), HasSubstr("truncated")));
    GgufBytes tensors = tiny_gguf("llama");
    tensors.extra_tensors = count;
    EXPECT_THAT(file_error(tensors), AnyOf(HasSubstr("tensors"), HasSubstr("truncated")));
    for (uint32_t type = 0; type <= 12; ++type) {
      GgufBytes array;
      array.raw_key("k", ByteWriter().u32(kGgufArray).u32(type).u64(count).bytes);
      EXPECT_NE(file_error(array), "") << type;
    }
  }
  for (const uint32_t n_dims : {0u, 5u, 1u << 20, ~0u}) {
    ByteWriter file;
    file.bytes = "GGUF";
    file.u32(3).u64(1).u64(0).string("t").u32(n_dims).u64(1).u64(1).u64(1).u64(1).u64(1).u32(0).u64(
        0);
    EXPECT_THAT(file_error(file.bytes), HasSubstr("dimensions, 1 to 4 are allowed")) << n_dims;
  }
}

// A5
TEST(GgufFile, TensorsBeyondTheFileAreRefused) {
  const std::string data(64 * 4, '\0');
  for (const uint64_t offset : {uint64_t{32}, uint64_t{1} << 40, (uint64_t{1} << 63),
                                ~uint64_t{0} - 31, ~uint64_t{0} - 255}) {
    GgufBytes file;
    file.tensor_at("t", {64}, kF32, offset, data);
    EXPECT_NE(file_error(file), "") << offset;
  }
  GgufBytes unaligned;
  unaligned.tensor_at("t", {64}, kF32, 4, data);
  EXPECT_THAT(file_error(unaligned), HasSubstr("not aligned"));
  GgufBytes larger;
  larger.tensor_at("t", {65}, kF32, 0, data);
  EXPECT_THAT(file_error(larger),
              AllOf(HasSubstr("truncated"), HasSubstr("tensor t ends at byte")));
}

// A6
TEST(GgufFile, ProductsThatOverflowAreRefused) {
  const uint64_t k32 = uint64_t{1} << 32;
  for (const std::vector<uint64_t>& dims :
       std::vector<std::vector<uint64_t>>{{k32, k32},
                                          {k32, k32, k32, k32},
                                          {~uint64_t{0}},
                                          {uint64_t{1} << 63},
                                          {(uint64_t{1} << 62) + 32, 4},
                                          {uint64_t{1} << 62},
                                          {64, (uint64_t{1} << 57) - 1},
                                          {0},
                                          {64, 0}}) {
    for (const uint32_t type : {kF32, kQ8_0, 12u}) {
      GgufBytes file;
      file.tensor_at("t", dims, type, 0, "");
      EXPECT_THAT(file_error(file), HasSubstr("tensor t")) << testing::PrintToString(dims);
    }
  }
  GgufBytes block;
  block.tensor("t", {33}, kQ8_0, std::string(68, '\0'));
  EXPECT_THAT(file_error(block), HasSubstr("rows of 33 weights"));
}

// A7
TEST(GgufFile, AlignmentMustBeAPowerOfTwoInAUint32) {
  for (const uint32_t alignment : {0u, 1u, 3u, 4u, 33u, 1u << 21, 1u << 31, ~0u}) {
    GgufBytes file;
    file.u32("general.alignment", alignment);
    EXPECT_THAT(file_error(file), HasSubstr("general.alignment")) << alignment;
  }
  for (const uint32_t alignment : {8u, 32u, 4096u, 1u << 20}) {
    GgufBytes file;
    file.u32("general.alignment", alignment);
    EXPECT_EQ(file_error(file), "") << alignment;
  }
  GgufBytes wide, text, list;
  wide.key<uint64_t>("general.alignment", kGgufUint64, 32);
  text.string("general.alignment", "32");
  list.array<uint32_t>("general.alignment", kGgufUint32, {32});
  for (const GgufBytes* file : {&wide, &text, &list}) {
    EXPECT_THAT(file_error(*file), HasSubstr("general.alignment must be a uint32"));
  }
}

// A8
TEST(GgufFile, SizesThatWrapRoundWhenPaddedAreRefused) {
  // 2^63 - 4 bytes, and at offsets near the end of all addresses.
  for (const uint64_t dim :
       {(uint64_t{1} << 61) - 1, (uint64_t{1} << 62) - 1, (uint64_t{1} << 63) - 1}) {
    for (const uint64_t offset : {uint64_t{0}, ~uint64_t{0} - 31, uint64_t{1} << 63}) {
      GgufBytes file;
      file.u32("general.alignment", 1u << 20);
      file.tensor_at("t", {dim}, kF32, offset, "");
      EXPECT_THAT(file_error(file), HasSubstr("tensor t")) << dim << " " << offset;
    }
  }
}

// A9
TEST(GgufFile, AnArrayDeclaredUint8IsNotTakenForScores) {
  GgufBytes file;
  file.array<uint8_t>("tokenizer.ggml.scores", kGgufUint8, {1, 2, 3});
  file.array<float>("tokenizer.ggml.token_type", kGgufFloat32, {1, 2, 3});
  const std::string bytes = file.bytes();
  const auto parsed = parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_THAT(parsed->metadata.get_numbers("tokenizer.ggml.scores").error().message,
              HasSubstr("must be a float array, found uint array"));
  EXPECT_FALSE(parsed->metadata.get_ints("tokenizer.ggml.token_type"));
}

// A12
TEST(GgufFile, KeysAndTensorsThatStandTwiceAreRefused) {
  GgufBytes keys = tiny_gguf("llama");
  keys.u32("llama.block_count", 2);
  EXPECT_THAT(file_error(keys), HasSubstr("llama.block_count stands twice"));
  GgufBytes tensors;
  tensors.zeros("t", {4}).zeros("t", {4});
  EXPECT_THAT(file_error(tensors), HasSubstr("tensor t stands twice"));
}

TEST(GgufFile, NamesThatATerminalWouldActOnAreRefused) {
  for (const std::string& name : {std::string(), std::string("a\x1b[2J"), std::string("a b"),
                                  std::string("\0", 1), std::string(70000, 'a')}) {
    GgufBytes keys, tensors;
    keys.u32(name, 1);
    tensors.zeros(name, {4});
    EXPECT_THAT(file_error(keys), HasSubstr("metadata key of"));
    EXPECT_THAT(file_error(tensors), HasSubstr("tensor name of"));
  }
}

TEST(GgufFile, UnknownValueTypesNestedArraysAndOddBoolsAreRefused) {
  for (const uint32_t type : {13u, 255u, ~0u}) {
    GgufBytes scalar, array;
    scalar.raw_key("k", ByteWriter().u32(type).u64(0).bytes);
    array.raw_key("k", ByteWriter().u32(kGgufArray).u32(type).u64(0).bytes);
    EXPECT_THAT(file_error(scalar), HasSubstr("k has the unknown value type"));
    EXPECT_THAT(file_error(array), HasSubstr("k has the unknown value type"));
  }
  GgufBytes nested;
  nested.raw_key(
      "k", ByteWriter().u32(kGgufArray).u32(kGgufArray).u64(1).u32(kGgufArray).u32(0).u64(0).bytes);
  EXPECT_THAT(file_error(nested), HasSubstr("array of arrays"));
  GgufBytes odd;
  odd.key<uint8_t>("k", kGgufBool, 2);
  EXPECT_THAT(file_error(odd), HasSubstr("bool of value 2"));
}

// A13
TEST(GgufFile, TypesThatJiangCannotReadAreNamed) {
  for (const auto& [type, name] :
       {std::pair{16u, "IQ2_XXS"}, {19u, "IQ1_S"}, {24u, "I8"}, {28u, "F64"}}) {
    GgufBytes file;
    file.tensor("blk.3.attn_q.weight", {256}, type, std::string(2048, '\0'));
    std::string error = file_error(file);
    std::transform(error.begin(), error.end(), error.begin(),
                   [](char c) { return static_cast<char>(std::toupper(c)); });
    EXPECT_THAT(error, AllOf(HasSubstr("TENSOR BLK.3.ATTN_Q.WEIGHT IS OF TYPE"), HasSubstr(name)));
  }
  for (const uint32_t type : {4u, 5u, 31u, 36u, 99u, ~0u}) {  // removed and unknown ones
    GgufBytes file;
    file.tensor("t", {256}, type, std::string(2048, '\0'));
    EXPECT_THAT(file_error(file), HasSubstr("tensor t is of type")) << type;
  }
}

// A14
TEST(GgufFile, OverlapsHolesAndTrailingDataAreRefused) {
  const std::string data(128, '\0');
  GgufBytes overlap, hole, twice;
  overlap.tensor_at("a", {32}, kF32, 0, data).tensor_at("b", {32}, kF32, 64, data);
  EXPECT_THAT(file_error(overlap), HasSubstr("tensors overlap"));
  hole.tensor_at("a", {32}, kF32, 0, data).tensor_at("b", {32}, kF32, 160, data + data);
  EXPECT_THAT(file_error(hole), HasSubstr("leave a hole"));
  twice.tensor_at("a", {32}, kF32, 0, data).tensor_at("b", {32}, kF32, 0, "");
  EXPECT_THAT(file_error(twice), HasSubstr("tensors overlap"));
  GgufBytes honest;
  honest.tensor_at("b", {32}, kF32, 128, data).tensor_at("a", {32}, kF32, 0, data);
  EXPECT_EQ(file_error(honest), "");  // the order of the table is free
  EXPECT_THAT(file_error(honest.bytes() + "PK\x03\x04" + std::string(100, 'z')),
              HasSubstr("104 bytes of unknown data"));
  EXPECT_EQ(file_error(honest.bytes() + std::string(31, '\0')), "");
}

// A24
TEST(GgufFile, OtherVersionsAndByteOrdersAreNamed) {
  for (const uint32_t version : {0u, 1u, 4u, 100u}) {
    GgufBytes file = tiny_gguf("llama");
    file.version = version;
    EXPECT_THAT(file_error(file),
                HasSubstr(fmt::format("GGUF version {}, jiang reads 2 and 3", version)));
  }
  GgufBytes big;
  big.version = 0x03000000;
  EXPECT_THAT(file_error(big), HasSubstr("big-endian"));
  EXPECT_THAT(file_error("GGML" + std::string(100, '\0')), HasSubstr("not a GGUF file"));
}

// A large file of the worst kind must not cost more than it is long.
TEST(GgufFile, HeadersBeyondTheLimitAreRefused) {
  GgufBytes file;
  file.array<uint8_t>("a", kGgufUint8, std::vector<uint8_t>(5000));
  const std::string bytes = file.bytes();
  EXPECT_TRUE(parse_gguf(as_bytes(bytes), "m.gguf", {.header_bytes = 6000}));
  EXPECT_FALSE(parse_gguf(as_bytes(bytes), "m.gguf", {.header_bytes = 4000}));
  GgufBytes many;
  for (int i = 0; i < 20; ++i) many.zeros(fmt::format("t{}", i), {1});
  EXPECT_FALSE(parse_gguf(as_bytes(many.bytes()), "m.gguf", {.tensors = 19}));
  const std::string honest = many.bytes();
  EXPECT_TRUE(parse_gguf(as_bytes(honest), "m.gguf", {.tensors = 20}));
}

}  // namespace
}  // namespace jiang
