#include "convert/gguf_writer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <random>

#include "tests/support/temp_folder.h"
#include "weights/gguf_file.h"

namespace jiang {
namespace {

std::vector<std::byte> random_bytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xff);
  return bytes;
}

Metadata one_key_of_each_kind() {
  Metadata metadata;
  metadata.values["general.architecture"] = std::string("llama");
  metadata.values["bool"] = true;
  metadata.values["int"] = int64_t{-7};
  metadata.values["int.wide"] = int64_t{-5'000'000'000};
  metadata.values["uint"] = uint64_t{4'000'000'000};
  metadata.values["uint.wide"] = ~uint64_t{0};
  metadata.values["float"] = 0.25;
  metadata.values["split.no"] = uint64_t{3};
  metadata.values["split.tensors.count"] = int64_t{12};
  metadata.values["bools"] = std::vector<bool>{true, false, true};
  metadata.values["tokenizer.ggml.token_type"] = std::vector<int64_t>{1, 2, 3};
  metadata.values["uints"] = std::vector<uint64_t>{1, 5'000'000'000};
  metadata.values["tokenizer.ggml.precompiled_charsmap"] = std::vector<uint64_t>{0, 255};
  metadata.values["tokenizer.ggml.scores"] = std::vector<double>{-1.5, 0};
  metadata.values["tokenizer.ggml.tokens"] =
      std::vector<std::string>{"a", "", std::string("\0b", 2)};
  return metadata;
}

TEST(GgufWriter, WhatItWritesReadsBackTheSame) {
  const TempFolder folder;
  const std::string path = folder.path("model.gguf");
  const Metadata metadata = one_key_of_each_kind();
  const std::vector<GgufTensor> tensors = {{"a", Format::f32, Shape{3}},
                                           {"b", Format::q8_0, Shape{5, 64}},
                                           {"c", Format::q4_k, Shape{2, 3, 256}},
                                           {"d", Format::f16, Shape{7}}};
  const size_t sizes[] = {12, 5 * 2 * 34, 6 * 144, 14};
  auto writer = GgufWriter::create(path, metadata, tensors);
  ASSERT_TRUE(writer) << writer.error().message;
  for (uint32_t i = 0; i < 4; ++i) ASSERT_TRUE(writer->write_tensor(random_bytes(sizes[i], i)));
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(std::filesystem::file_size(path), writer->file_bytes());

  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file);
  const auto gguf = parse_gguf(file->bytes(), path);
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->version, 3u);
  EXPECT_EQ(gguf->metadata.values, metadata.values);
  ASSERT_EQ(gguf->tensors.size(), 4u);
  for (uint32_t i = 0; i < 4; ++i) {
    const GgufTensorEntry& tensor = gguf->tensors[i];
    EXPECT_EQ(tensor.name, tensors[i].name);
    EXPECT_EQ(tensor.format, tensors[i].format);
    EXPECT_EQ(tensor.shape, tensors[i].shape);
    EXPECT_EQ(std::vector(tensor.bytes.begin(), tensor.bytes.end()), random_bytes(sizes[i], i));
    EXPECT_EQ((tensor.bytes.data() - file->bytes().data()) % 32, 0);
  }
}

TEST(GgufWriter, GivesKeysTheWidthsThatLlamaCppInsistsOn) {
  const TempFolder folder;
  const std::string path = folder.path("model.gguf");
  auto writer = GgufWriter::create(path, one_key_of_each_kind(), {});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->commit());
  const std::string bytes = *read_file(path, 10000);
  // The value type stands right behind the key.
  const auto type_of = [&](const std::string& key, size_t word = 0) {
    const size_t at =
        bytes.find(std::string(1, static_cast<char>(key.size())) + std::string(7, '\0') + key);
    uint32_t type = ~0u;
    if (at != std::string::npos)
      std::memcpy(&type, bytes.data() + at + 8 + key.size() + 4 * word, 4);
    return type;
  };
  EXPECT_EQ(type_of("bool"), 7u);
  EXPECT_EQ(type_of("int"), 5u);
  EXPECT_EQ(type_of("int.wide"), 11u);
  EXPECT_EQ(type_of("uint"), 4u);
  EXPECT_EQ(type_of("uint.wide"), 10u);
  EXPECT_EQ(type_of("float"), 6u);
  EXPECT_EQ(type_of("split.no"), 2u);
  EXPECT_EQ(type_of("split.tensors.count"), 5u);
  EXPECT_EQ(type_of("tokenizer.ggml.token_type"), 9u);
  EXPECT_EQ(type_of("tokenizer.ggml.token_type", 1), 5u);
  EXPECT_EQ(type_of("tokenizer.ggml.precompiled_charsmap", 1), 0u);
  EXPECT_EQ(type_of("tokenizer.ggml.scores", 1), 6u);
  EXPECT_EQ(type_of("uints", 1), 10u);
}

TEST(GgufWriter, AnotherFilesAlignmentIsNotCopied) {
  const TempFolder folder;
  Metadata metadata;
  metadata.values["general.alignment"] = uint64_t{4096};
  auto writer = GgufWriter::create(folder.path("m.gguf"), metadata, {{"a", Format::f32, Shape{3}}});
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->write_tensor(random_bytes(12, 1)));
  ASSERT_TRUE(writer->commit());
  const std::string bytes = *read_file(folder.path("m.gguf"), 10000);
  const auto gguf = parse_gguf(std::as_bytes(std::span(bytes)), "m.gguf");
  ASSERT_TRUE(gguf) << gguf.error().message;
  EXPECT_EQ(gguf->alignment, 32u);
  EXPECT_TRUE(gguf->metadata.values.empty());
}

TEST(GgufWriter, WithoutCommitNothingIsLeft) {
  const TempFolder folder;
  {
    auto writer = GgufWriter::create(folder.path("m.gguf"), {}, {{"a", Format::f32, Shape{3}}});
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write_tensor(random_bytes(12, 1)));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufWriter, RefusesWhatDoesNotFitTheDiskBeforeWriting) {
  const TempFolder folder;
  const auto writer = GgufWriter::create(folder.path("m.gguf"), {},
                                         {{"a", Format::f32, Shape{int64_t{1} << 40, 1 << 12}}});
  ASSERT_FALSE(writer);
  EXPECT_NE(writer.error().message.find("are free there"), std::string::npos)
      << writer.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufWriter, RefusesNamesThatLlamaCppRefuses) {
  const TempFolder folder;
  for (const std::string& name : {std::string(), std::string(64, 'a')}) {
    EXPECT_FALSE(GgufWriter::create(folder.path("m.gguf"), {}, {{name, Format::f32, Shape{3}}}));
  }
  EXPECT_FALSE(GgufWriter::create(folder.path("m.gguf"), {},
                                  {{"a", Format::f32, Shape{3}}, {"a", Format::f32, Shape{3}}}));
}

TEST(GgufWriter, WritingOverAnImpossibleOrMissingFolderIsAnError) {
  const TempFolder folder;
  EXPECT_FALSE(GgufWriter::create(folder.path("none/m.gguf"), {}, {}));
}

}  // namespace
}  // namespace jiang
