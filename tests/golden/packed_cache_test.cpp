// Packed weights on disk: used when whole and of these weights, never otherwise.
#include "model/packed_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "model/check_mark.h"
#include "tests/support/memory_source.h"
#include "tests/support/model_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;

class PackedCache : public ::testing::Test {
 protected:
  // Packs all matrices of the source as the loader does, or takes them from the folder.
  struct Outcome {
    bool was_cached = false;
    std::vector<std::vector<std::byte>> matrices;
    std::string note;
  };
  Outcome load(const TensorSource& source) { return load(source, folder_.path()); }
  Outcome load(const TensorSource& source, const std::string& folder, double settled_seconds = 3) {
    std::vector<WeightMatrix> all;
    std::vector<MatrixShape> shapes;
    for (const TensorInfo& tensor : source.tensors()) {
      if (!tensor.name.ends_with("proj.weight")) continue;
      all.push_back(tensor.matrix());
      shapes.push_back({all.back().format, all.back().rows, all.back().cols});
    }
    Outcome outcome;
    PackedWeights packed(source, shapes, pool_,
                         {.folder = folder,
                          .least_bytes = 0,
                          .settled_seconds = settled_seconds,
                          .note = [&](const std::string& text) { outcome.note += text; }});
    outcome.was_cached = packed.is_cached();
    for (const WeightMatrix& matrix : all) {
      const PackedMatrix taken = packed.take(matrix);
      outcome.matrices.emplace_back(taken.data(), taken.data() + taken.bytes());
    }
    packed.finish();
    return outcome;
  }
  std::string file_of(const TensorSource& source) {
    return PackedWeights::path_for(source, folder_.path());
  }

  ThreadPool pool_{2};
  TempFolder folder_;
  TinyModel tiny_ = make_tiny_model("qwen2", 3);
};

TEST_F(PackedCache, TheSecondTimeComesFromTheFileWithTheSameBytes) {
  const MemorySource source(tiny_);
  const Outcome first = load(source);
  EXPECT_FALSE(first.was_cached);
  const Outcome second = load(source);
  EXPECT_TRUE(second.was_cached);
  EXPECT_EQ(second.matrices, first.matrices);
  EXPECT_EQ(first.note + second.note, "");
}

TEST_F(PackedCache, OneChangedWeightIsNotMistakenForTheOld) {
  const MemorySource source(tiny_);
  load(source);
  for (auto& tensor : tiny_.tensors) {
    if (tensor.name.ends_with("down_proj.weight")) tensor.values[tensor.values.size() / 3] += 1;
  }
  const MemorySource changed(tiny_);
  // Where a few samples do not see the change, both want the same file.
  EXPECT_EQ(file_of(changed), file_of(source));
  const Outcome outcome = load(changed);
  EXPECT_FALSE(outcome.was_cached);
  EXPECT_EQ(outcome.matrices, load(changed, "").matrices);
  EXPECT_TRUE(load(changed).was_cached) << "and the file is now of the new weights";
}

TEST_F(PackedCache, ACutOrChangedFileIsNeverUsedAndWrittenAnew) {
  const MemorySource source(tiny_);
  const Outcome first = load(source);
  const std::string path = file_of(source);
  const std::string whole = *read_file(path, 64 << 20);
  std::vector<std::string> bad = {"", whole.substr(0, 40), whole.substr(0, whole.size() / 2),
                                  whole.substr(0, whole.size() - 1), whole + "x"};
  for (size_t at = 0; at < whole.size(); at += at < 399 ? 7 : whole.size() / 30) {
    bad.push_back(whole);
    bad.back()[at] = static_cast<char>(bad.back()[at] ^ 0x40);
  }
  for (size_t i = 0; i < bad.size(); ++i) {
    ASSERT_TRUE(write_file(path, bad[i]));
    const Outcome outcome = load(source);
    EXPECT_EQ(outcome.matrices, first.matrices) << i;
    // Bytes between the matrices belong to nobody.
    if (outcome.was_cached) {
      EXPECT_GE(i, 5u + 399 / 7) << i;
    } else {
      EXPECT_EQ(*read_file(path, 64 << 20), whole) << i;
    }
  }
}

TEST_F(PackedCache, AMarkOfAnUnchangedFileSparesTheCheck) {
  const MemorySource source(tiny_);
  const auto load_settled = [&] { return load(source, folder_.path(), 0); };
  const Outcome first = load_settled();
  const std::string path = file_of(source), mark = path + ".checked";
  EXPECT_FALSE(fs::exists(mark)) << "what was just written was not read";
  load(source);
  EXPECT_FALSE(fs::exists(mark)) << "a change might not show in the times of so young a file";
  EXPECT_TRUE(load_settled().was_cached);
  ASSERT_TRUE(fs::exists(mark));
  EXPECT_TRUE(load_settled().was_cached);

  // A changed file is another one to the system: the mark says nothing of it.
  std::string changed = *read_file(path, 64 << 20);
  changed[changed.size() - 64] = static_cast<char>(changed[changed.size() - 64] ^ 1);
  ASSERT_TRUE(write_file(path, changed));
  const Outcome mended = load_settled();
  EXPECT_FALSE(mended.was_cached);
  EXPECT_EQ(mended.matrices, first.matrices);

  // That a mark is believed shows where it lies, which only this test does.
  ASSERT_TRUE(write_file(path, changed));
  CheckMark(path, GuardedFile::open(path).value(), 0).write();
  EXPECT_TRUE(load_settled().was_cached);

  // Of another start of the machine, cut, or nonsense: checked again.
  const std::string text = *read_file(mark, 4096);
  for (const std::string& other : {text.substr(0, text.size() - 1), std::string(), text + "\n",
                                   std::string(text).replace(text.find('-'), 1, "0")}) {
    ASSERT_TRUE(write_file(path, changed));
    CheckMark(path, GuardedFile::open(path).value(), 0).write();
    ASSERT_TRUE(write_file(mark, other));
    const Outcome again = load_settled();
    EXPECT_FALSE(again.was_cached) << other;
    EXPECT_EQ(again.matrices, first.matrices);
  }
}

TEST_F(PackedCache, WhatCannotBeWrittenIsSaidAndKeptInMemory) {
  const MemorySource source(tiny_);
  const std::string file = folder_.path() + "/file";
  ASSERT_TRUE(write_file(file, "in the way"));
  const Outcome outcome = load(source, file + "/packed");
  EXPECT_NE(outcome.note.find("in memory only"), std::string::npos) << outcome.note;
  EXPECT_EQ(outcome.matrices, load(source, "").matrices);
}

TEST_F(PackedCache, AnUnfinishedLoadLeavesNothing) {
  const MemorySource source(tiny_);
  {
    const TensorInfo* tensor = source.find("model.layers.0.mlp.down_proj.weight");
    ASSERT_TRUE(tensor);
    const WeightMatrix matrix = tensor->matrix();
    const MatrixShape shape{matrix.format, matrix.rows, matrix.cols};
    PackedWeights packed(source, {shape, shape}, pool_,
                         {.folder = folder_.path(), .least_bytes = 0, .note = {}});
    packed.take(matrix);
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(PackedCache, KeepingThatWasAskedForIsAnErrorWhereItFails) {
  const auto source = std::make_shared<MemorySource>(tiny_);
  LoadOptions options;
  options.packed_folder = folder_.path();
  options.must_keep_packed = true;
  const auto small = load_model(source, pool_, options);
  ASSERT_FALSE(small);
  EXPECT_NE(small.error().message.find("packed sooner"), std::string::npos)
      << small.error().message;
  EXPECT_TRUE(fs::is_empty(folder_.path()));

  options.packed_least_bytes = 0;
  ASSERT_TRUE(load_model(source, pool_, options));
  EXPECT_TRUE(fs::exists(file_of(*source)));
  ASSERT_TRUE(load_model(source, pool_, options)) << "what lies there already is kept, too";

  const std::string file = folder_.path() + "/file";
  ASSERT_TRUE(write_file(file, "in the way"));
  options.packed_folder = file + "/packed";
  const auto barred = load_model(source, pool_, options);
  ASSERT_FALSE(barred);
  EXPECT_NE(barred.error().message.find(file), std::string::npos) << barred.error().message;
}

TEST_F(PackedCache, AFileIsKnownByItsTimesAndACopyByItsBytes) {
  JIANG_NEED_DATA(original, "weights/tiny-qwen2/tiny-qwen2-Q4_0.gguf");
  const std::string a = folder_.path() + "/a.gguf", b = folder_.path() + "/b.gguf";
  fs::copy_file(original, a);
  fs::permissions(a, fs::perms::owner_all);
  fs::copy_file(original, b);
  const std::string cache = folder_.path() + "/packed";
  EXPECT_FALSE(load(**open_tensor_source(a), cache).was_cached);
  EXPECT_TRUE(load(**open_tensor_source(a), cache).was_cached);
  EXPECT_TRUE(load(**open_tensor_source(b), cache).was_cached);
  // A byte in the middle of the tensors changes in place.
  std::fstream file(a, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(a) - 12345));
  file.put('\x5a');
  file.close();
  const Outcome changed = load(**open_tensor_source(a), cache);
  EXPECT_FALSE(changed.was_cached);
  EXPECT_EQ(changed.matrices, load(**open_tensor_source(a), "").matrices);
}

TEST_F(PackedCache, AModelLoadsFromItWithTheSameBits) {
  JIANG_NEED_DATA(path, "weights/tiny-qwen2/tiny-qwen2-Q4_K_S.gguf");
  const std::vector<TokenId> tokens = {1, 5, 9, 2, 7};
  LoadOptions options;
  options.packed_folder = folder_.path();
  options.packed_least_bytes = 0;
  std::vector<std::vector<float>> logits;
  for (int i = 0; i < 2; ++i) {
    const auto model = load_model(*open_tensor_source(path), pool_, options);
    ASSERT_TRUE(model) << model.error().message;
    logits.push_back(all_logits(*model, pool_, tokens));
  }
  EXPECT_EQ(logits[1], logits[0]);
  EXPECT_EQ(logits[0], all_logits(load_test_model(path, pool_), pool_, tokens));
}

}  // namespace
}  // namespace jiang
