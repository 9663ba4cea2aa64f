#include "convert/importance_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/file.h"
#include "convert/gguf_writer.h"
#include "tests/support/temp_folder.h"

namespace jiang {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The older format, by hand.
class Dat {
 public:
  std::string bytes;
  template <class T>
  Dat& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Dat& text(const std::string& text) {
    number(static_cast<int32_t>(text.size()));
    bytes += text;
    return *this;
  }
};
Dat two_entries() {
  Dat dat;
  dat.number<int32_t>(2);
  dat.text("blk.0.attn_q.weight").number<int32_t>(4).number<int32_t>(2).number(8.0f).number(2.0f);
  dat.text("blk.0.ffn_up.weight").number<int32_t>(0).number<int32_t>(1).number(3.0f);
  dat.number<int32_t>(7).text("wiki.txt");
  return dat;
}

TEST(ImportanceMatrix, SurvivesTheRoundTrip) {
  const TempFolder folder;
  ImportanceMatrix matrix;
  matrix.columns["blk.0.attn_q.weight"] = {0.5f, 2, 0};
  matrix.columns["output.weight"] = {1};
  matrix.products["output.weight"] = {0.25f, -1, -1, 3};
  matrix.rows_seen = {{"blk.0.attn_q.weight", 512}, {"output.weight", 64}};
  matrix.datasets = {"wiki.txt"};
  matrix.chunks = 8;
  matrix.chunk_tokens = 64;
  const std::string path = folder.path("m.gguf");
  ASSERT_TRUE(write_importance_matrix(path, matrix));
  const auto read = read_importance_matrix(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->columns, matrix.columns);
  EXPECT_EQ(read->products, matrix.products);
  EXPECT_EQ(read->rows_seen, matrix.rows_seen);
  EXPECT_EQ(read->datasets, matrix.datasets);
  EXPECT_EQ(read->chunks, 8);
  EXPECT_EQ(read->chunk_tokens, 64);
}

TEST(ImportanceMatrix, ReadsTheOlderFormat) {
  const auto read = parse_importance_matrix(bytes_of(two_entries().bytes), "m.dat");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->columns.at("blk.0.attn_q.weight"), (std::vector<float>{2, 0.5f}));
  EXPECT_EQ(read->columns.at("blk.0.ffn_up.weight"), (std::vector<float>{3}));
  EXPECT_EQ(read->chunks, 7);
  EXPECT_EQ(read->datasets, (std::vector<std::string>{"wiki.txt"}));
}

TEST(ImportanceMatrix, TruncatedFilesAreErrors) {
  const std::string dat = two_entries().bytes;
  const size_t without_tail = dat.size() - 4 - 4 - 8;
  for (size_t n = 0; n < dat.size(); ++n) {
    const auto read = parse_importance_matrix(bytes_of(dat.substr(0, n)), "m.dat");
    EXPECT_EQ(read.has_value(), n == without_tail) << n;  // the tail is optional
  }
  const TempFolder folder;
  ImportanceMatrix matrix;
  matrix.columns["blk.0.attn_q.weight"] = {0.5f, 2};
  ASSERT_TRUE(write_importance_matrix(folder.path("m.gguf"), matrix));
  const std::string gguf = *read_file(folder.path("m.gguf"), 1 << 20);
  for (size_t n = 0; n < gguf.size(); ++n) {
    // The last 28 bytes are padding.
    const auto read = parse_importance_matrix(bytes_of(gguf.substr(0, n)), "m.gguf");
    if (n >= gguf.size() - 28) continue;
    EXPECT_FALSE(read) << n;
  }
}

TEST(ImportanceMatrix, HostileNumbersAreErrors) {
  auto refused = [](const Dat& dat) {
    const auto read = parse_importance_matrix(bytes_of(dat.bytes), "m.dat");
    return !read.has_value();
  };
  EXPECT_TRUE(refused(Dat().number<int32_t>(0)));
  EXPECT_TRUE(refused(Dat().number<int32_t>(-1)));
  EXPECT_TRUE(refused(Dat().number<int32_t>(INT32_MAX).text("a")));
  EXPECT_TRUE(refused(Dat().number<int32_t>(1).number<int32_t>(-5)));
  EXPECT_TRUE(refused(Dat().number<int32_t>(1).number<int32_t>(INT32_MAX)));
  EXPECT_TRUE(
      refused(Dat().number<int32_t>(1).text("a").number<int32_t>(1).number<int32_t>(INT32_MAX)));
  EXPECT_TRUE(refused(
      Dat().number<int32_t>(1).text("a").number<int32_t>(-1).number<int32_t>(1).number(1.0f)));
  EXPECT_TRUE(refused(Dat().number<int32_t>(1).text("a").number<int32_t>(1).number<int32_t>(0)));
  for (const float bad :
       {-1.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_TRUE(refused(
        Dat().number<int32_t>(1).text("a").number<int32_t>(1).number<int32_t>(1).number(bad)));
  }
  Dat twice = Dat().number<int32_t>(2);
  for (int i = 0; i < 2; ++i) twice.text("a").number<int32_t>(1).number<int32_t>(1).number(1.0f);
  EXPECT_TRUE(refused(twice));
}

TEST(ImportanceMatrix, OtherGgufFilesAreRefused) {
  const TempFolder folder;
  Metadata metadata;
  metadata.values["general.architecture"] = std::string("llama");
  const std::string path = folder.path("model.gguf");
  auto writer = GgufWriter::create(path, metadata, {});
  ASSERT_TRUE(writer && writer->commit());
  const auto read = read_importance_matrix(path);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("importance matrix"), std::string::npos);
}

TEST(ImportanceMatrix, CountsOfExpertsDivideTheirOwnSums) {
  const TempFolder folder;
  Metadata metadata;
  metadata.values["general.type"] = std::string("imatrix");
  const std::string path = folder.path("m.gguf");
  auto writer = GgufWriter::create(
      path, metadata,
      {{"x.in_sum2", Format::f32, Shape{3, 2}}, {"x.counts", Format::f32, Shape{3, 1}}});
  ASSERT_TRUE(writer);
  const float sums[] = {2, 4, 9, 3, 0, 0}, counts[] = {2, 3, 0};
  ASSERT_TRUE(writer->write_tensor(std::as_bytes(std::span(sums))));
  ASSERT_TRUE(writer->write_tensor(std::as_bytes(std::span(counts))));
  ASSERT_TRUE(writer->commit());
  const auto read = read_importance_matrix(path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->columns.at("x"), (std::vector<float>{1, 2, 3, 1, 1, 1}));
}

TEST(ImportanceCollector, GathersMeanSquaresByGgufName) {
  ImportanceCollector collector("qwen2");
  const std::vector<float> rows = {1, 2, 3, 4, 5, 6};
  collector.accumulate("model.layers.3.mlp.up_proj.weight", {rows.data(), 4}, 2);
  collector.accumulate("model.layers.3.mlp.up_proj.weight", {rows.data() + 4, 2}, 2);
  collector.accumulate("something.else.weight", rows, 3);
  const auto matrix = collector.finish(1, 3, {"a.txt"});
  ASSERT_TRUE(matrix);
  ASSERT_EQ(matrix->columns.size(), 1u);
  EXPECT_FLOAT_EQ(matrix->columns.at("blk.3.ffn_up.weight")[0], 35.0f / 3);
  EXPECT_FLOAT_EQ(matrix->columns.at("blk.3.ffn_up.weight")[1], 56.0f / 3);
  EXPECT_EQ(matrix->rows_seen.at("blk.3.ffn_up.weight"), 3);

  const std::vector<float> broken = {std::numeric_limits<float>::quiet_NaN(), 0};
  collector.accumulate("model.layers.3.mlp.up_proj.weight", broken, 2);
  const auto refused = collector.finish(1, 3, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_numbers);
}

}  // namespace
}  // namespace jiang
