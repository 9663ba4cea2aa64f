// Names, listings, selections, the chunk map and its journal; transfers are tested against a fake
// hub over TLS (tests/cli/pull_test.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/json_value.h"
#include "hub/catalogue.h"
#include "hub/chunk_map.h"
#include "hub/download_journal.h"
#include "hub/file_name.h"
#include "hub/manifest.h"
#include "hub/model_name.h"
#include "hub/modelfile.h"
#include "hub/select_files.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

using testing::HasSubstr;

TEST(FileName, OnlyPlainRelativeNamesPass) {
  for (const char* name :
       {"config.json", "1_Pooling/config.json", "a b.gguf", "\xe6\xa8\xa1.gguf"}) {
    EXPECT_TRUE(check_file_name(name)) << name;
  }
  for (const char* name : {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a\\b", "a%2fb",
                           "-rf", "x.", "x ", "a/.", "C:x", "a\nb", "\xff", "a/-b"}) {
    EXPECT_FALSE(check_file_name(name)) << name;
  }
  EXPECT_FALSE(check_file_name(std::string(300, 'a')));
  EXPECT_FALSE(check_file_name(std::string("a\0b", 3)));
  EXPECT_FALSE(check_file_names(std::vector<std::string>{"a.gguf", "A.GGUF"}));
}

TEST(ModelName, EveryFormIsUnderstood) {
  const ModelName full = *parse_model_name("hf:org/model@v1.0:q4_k_m");
  EXPECT_EQ(full.hub, Hub::huggingface);
  EXPECT_EQ(full.repo, "org/model");
  EXPECT_EQ(full.revision, "v1.0");
  EXPECT_EQ(full.choice, "q4_k_m");
  EXPECT_EQ(full.store_name(), "org/model@v1.0:q4_k_m");
  EXPECT_EQ(parse_model_name("ms:a/b")->hub, Hub::modelscope);
  EXPECT_EQ(parse_model_name("a/b")->hub, Hub::any);
  EXPECT_EQ(parse_model_name("a/b:dir/x-q8_0.gguf")->choice, "dir/x-q8_0.gguf");
  EXPECT_EQ(parse_model_name("qwen2:1.5b")->short_name, "qwen2:1.5b");
  EXPECT_EQ(parse_model_name("https://h/p/m.gguf?x=1")->store_name(), "m");
  for (const char* bad : {"", "ms:a", "a/b/c", "../b", "a/..", "a/b@", "a/b:", "a/b:../x", "-a/b",
                          "a b/c", "https://h/x.bin", "http://h/.gguf", "a/b@x y", "ms:a/b@../x"}) {
    EXPECT_FALSE(parse_model_name(bad)) << bad;
  }
}

Repository repository_of(const std::vector<std::string>& names) {
  Repository repository;
  repository.repo = "org/model";
  for (const std::string& name : names) {
    RepoFile file;
    file.name = name;
    file.bytes = 10;
    repository.files.push_back(file);
  }
  return repository;
}

std::vector<std::string> selected(const std::vector<std::string>& names,
                                  std::string_view choice = "") {
  const Repository repository = repository_of(names);
  const auto selection = select_files(repository, choice, {"q4_k_m", "q8_0", "q4_0"});
  if (!selection) return {"error: " + selection.error().message};
  std::vector<std::string> out;
  for (const RepoFile* file : selection->files) out.push_back(file->name);
  return out;
}

TEST(SelectFiles, OnlyWhatIsNeeded) {
  using List = std::vector<std::string>;
  EXPECT_EQ(selected({"README.md", "config.json", "tokenizer.json", "model.safetensors",
                      "pytorch_model.bin", "onnx/model.onnx", "adapter_model.safetensors"}),
            (List{"config.json", "tokenizer.json", "model.safetensors"}));
  EXPECT_EQ(
      selected({"config.json", "model.safetensors.index.json", "model-00002-of-00002.safetensors",
                "model-00001-of-00002.safetensors", "consolidated.safetensors"}),
      (List{"config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors"}));
  EXPECT_EQ(selected({"m-q8_0.gguf", "m-Q4_K_M.gguf", "m-q4_k_s.gguf"}), (List{"m-Q4_K_M.gguf"}));
  EXPECT_EQ(selected({"m-q8_0.gguf", "m-q4_k_m.gguf"}, "q8_0"), (List{"m-q8_0.gguf"}));
  EXPECT_EQ(selected({"m-q8_0.gguf", "m.gguf"}, "m.gguf"), (List{"m.gguf"}));
  EXPECT_EQ(selected({"m-q4_k_m-00002-of-00002.gguf", "m-q4_k_m-00001-of-00002.gguf"}),
            (List{"m-q4_k_m-00001-of-00002.gguf", "m-q4_k_m-00002-of-00002.gguf"}));
  EXPECT_THAT(selected({"a.bin"})[0], HasSubstr("pickles"));
  EXPECT_THAT(selected({"m-q8_0.gguf"}, "q8_1")[0], HasSubstr("m-q8_0.gguf"));
  EXPECT_THAT(selected({"a-x.gguf", "b-y.gguf"})[0], HasSubstr("choose one"));
}

TEST(Listings, BothHubsGiveNamesSizesAndHashes) {
  const std::string hash(64, 'a');
  const auto ms = parse_modelscope_listing(
      R"({"Code":200,"Data":{"Files":[{"Path":"d","Type":"tree","Size":0},{"Path":"m.gguf","Type":"blob",)"
      R"("Size":7,"Sha256":")" +
          hash + R"(","Revision":"abc"}]}})",
      "o/m", "master");
  ASSERT_TRUE(ms) << ms.error().message;
  ASSERT_EQ(ms->files.size(), 1u);
  EXPECT_EQ(ms->files[0].sha256, hash);
  EXPECT_EQ(ms->files[0].bytes, 7u);
  const auto hf = parse_huggingface_listing(
      R"({"sha":"c0ffee","cardData":{"license":"mit"},"siblings":[{"rfilename":"m.gguf","size":7,"lfs":{"sha256":")" +
          hash + R"(","size":7}},{"rfilename":"config.json","size":2,"blobId":"12"}]})",
      "o/m", "main");
  ASSERT_TRUE(hf) << hf.error().message;
  EXPECT_EQ(hf->revision, "c0ffee");
  EXPECT_EQ(hf->licence, "mit");
  EXPECT_EQ(hf->files[0].sha256, hash);
  EXPECT_EQ(hf->files[1].git_id, "12");
  HubSettings settings;
  EXPECT_EQ(file_url(settings, *ms, ms->files[0]),
            "https://www.modelscope.cn/models/o/m/resolve/abc/m.gguf");
  EXPECT_EQ(file_url(settings, *hf, hf->files[0]),
            "https://huggingface.co/o/m/resolve/c0ffee/m.gguf");
}

TEST(ChunkMap, SegmentsCoverTheFileOnceAndKnowTheirGeneration) {
  ChunkMap map(1050, 100);
  uint64_t covered = 0;
  int n_done = 0;
  std::optional<ChunkMap::Segment> stale;
  while (const auto segment = map.take(2, 400)) {
    stale = segment;
    EXPECT_LE(segment->end - segment->begin, 400u);
    // The first half fails, and is taken again later.
    if (covered == 0) {
      EXPECT_TRUE(map.wrote(*segment, segment->begin, 150, [&](uint64_t) { ++n_done; }));
      covered += 150;
      map.give_back(*segment);
      continue;
    }
    covered += segment->end - segment->begin;
    EXPECT_TRUE(map.wrote(*segment, segment->begin, segment->end - segment->begin,
                          [&](uint64_t) { ++n_done; }));
  }
  EXPECT_EQ(covered, 1050u);
  EXPECT_EQ(n_done, 11);
  EXPECT_TRUE(map.is_whole());
  EXPECT_EQ(map.prefix(), 1050u);
  EXPECT_TRUE(map.wait_for(0, 1050));
  map.clear();
  EXPECT_EQ(map.bytes_done(), 0u);
  EXPECT_FALSE(map.wrote(*stale, stale->begin, 1, [](uint64_t) {}));
}

TEST(Journal, BelievesWholeLinesOfTheSameFileOnly) {
  const TempFolder folder;
  const std::string path = folder.path("j");
  const JournalHead head = {1000, 100, "sha256:x"};
  {
    JournalWriter writer = *JournalWriter::create(path, head, {3});
    ASSERT_TRUE(writer.add(5));
    ASSERT_TRUE(writer.synced());
    ASSERT_TRUE(writer.add(7));
  }
  EXPECT_EQ(read_journal(path, head), (std::vector<uint64_t>{3, 5, 7}));
  EXPECT_TRUE(read_journal(path, {1001, 100, "sha256:x"}).empty());
  EXPECT_TRUE(read_journal(path, {1000, 100, "sha256:y"}).empty());
  EXPECT_TRUE(read_journal(folder.path("absent"), head).empty());
  std::ifstream in(path);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  // A torn last line, and a damaged one in the middle.
  folder.write("torn", text.substr(0, text.size() - 3));
  EXPECT_EQ(read_journal(folder.path("torn"), head), (std::vector<uint64_t>{3, 5}));
  std::string damaged = text;
  damaged[damaged.find("\n5 ") + 1] = '6';
  folder.write("damaged", damaged);
  EXPECT_EQ(read_journal(folder.path("damaged"), head), (std::vector<uint64_t>{3}));
  // After a new start of the machine only what was flushed counts.
  std::string rebooted = text;
  const size_t boot = rebooted.find("sha256:x ") + 9;
  ASSERT_NE(rebooted.substr(boot, 7), "unknown");
  const std::string other =
      "jiang-download 1 1000 100 sha256:x 00000000-0000-0000-0000-000000000000";
  uint32_t sum = 2166136261u;
  for (const char c : other) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619u;
  rebooted = fmt::format("{} {:08x}", other, sum) + rebooted.substr(rebooted.find('\n'));
  folder.write("rebooted", rebooted);
  EXPECT_EQ(read_journal(folder.path("rebooted"), head), (std::vector<uint64_t>{3, 5}));
}

TEST(Manifest, SurvivesItsTextAndRefusesDamage) {
  Manifest manifest;
  manifest.name = "org/m:q4_0";
  manifest.files = {{"m.gguf", std::string(64, 'b'), 12, "sha256"}};
  manifest.settings.system = "be kind";
  manifest.settings.parameters = {{"temperature", "0.5"}};
  const std::string text = manifest_text(manifest);
  const Manifest back = *parse_manifest(text, "m");
  EXPECT_EQ(back.id(), manifest.id());
  EXPECT_EQ(back.settings, manifest.settings);
  EXPECT_EQ(manifest_text(back), text);
  std::string damaged = text;
  damaged.replace(damaged.find("be kind"), 7, "be cool");
  EXPECT_THAT(parse_manifest(damaged, "m").error().message, HasSubstr("checksum"));
  std::string newer = text;
  newer.replace(newer.find("\"version\": 1"), 12, "\"version\": 2");
  EXPECT_THAT(parse_manifest(newer, "m").error().message, HasSubstr("newer"));
}

TEST(Modelfile, RoundTripsAndNamesTheLineOfAnError) {
  const std::string text =
      "# mine\nfrom qwen2:1.5b\nparameter temperature 0.7\nPARAMETER stop \"User:\"\n"
      "SYSTEM \"\"\"You are\nkind.\"\"\"\nMESSAGE user hello\nMESSAGE assistant \"hi "
      "there\"\nLICENSE MIT\n";
  const Modelfile parsed = *parse_modelfile(text, "Modelfile");
  EXPECT_EQ(parsed.from, "qwen2:1.5b");
  EXPECT_EQ(parsed.settings.system, "You are\nkind.");
  EXPECT_EQ(parsed.settings.parameters[1].second, "User:");
  const Modelfile again = *parse_modelfile(modelfile_text(parsed), "again");
  EXPECT_EQ(again.settings, parsed.settings);
  EXPECT_EQ(again.from, parsed.from);
  const auto error = [](const char* bad) {
    const auto result = parse_modelfile(bad, "M");
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_THAT(error("SYSTEM x"), HasSubstr("FROM is missing"));
  EXPECT_THAT(error("FROM a\n\nPARAMETR top_k 1"),
              HasSubstr("M:3: no instruction 'PARAMETR'; did you mean PARAMETER"));
  EXPECT_THAT(error("FROM a\nPARAMETER temprature 1"), HasSubstr("temperature"));
  EXPECT_THAT(error("FROM a\nPARAMETER top_k many"), HasSubstr("whole number"));
  EXPECT_THAT(error("FROM a\nADAPTER x"), HasSubstr("LoRA"));
  EXPECT_THAT(error("FROM a\nTEMPLATE {{ .Prompt }}"), HasSubstr("Jinja"));
  EXPECT_THAT(error("FROM a\nSYSTEM \"\"\"x"), HasSubstr("not closed"));
  EXPECT_THAT(error("FROM a\nFROM b"), HasSubstr("second"));
  EXPECT_THAT(error("FROM a\nMESSAGE robot x"), HasSubstr("role"));
  // What would be written so that it reads as something else.
  for (const char* bad : {"FROM \" a\"", "FROM \"a \"", "FROM \"\"a\"\"",
                          "FROM \"\"\"a\nSYSTEM b\"\"\"", "FROM \"\"\"a\x7f\"\"\""}) {
    EXPECT_THAT(error(bad), HasSubstr("FROM begins or ends with a blank")) << bad;
  }
  EXPECT_THAT(error("FROM a\nPARAMETER top_k \" 1\""), HasSubstr("whole number"));
}

TEST(Modelfile, TomlSaysTheSame) {
  const Modelfile parsed = *parse_modelfile_toml(
      "from = \"a\"\nsystem = \"s\"\n[parameters]\ntemperature = 0.5\nstop = [\"x\", \"y\"]\n"
      "[[messages]]\nrole = \"user\"\ncontent = \"hi\"\n",
      "m.toml");
  EXPECT_EQ(parsed.settings.parameters.size(), 3u);
  EXPECT_EQ(parsed.settings.messages[0].second, "hi");
  EXPECT_THAT(parse_modelfile_toml("from = \"a\"\nsistem = \"s\"", "m.toml").error().message,
              HasSubstr("m.toml:2: no key 'sistem' of that kind; did you mean system"));
  EXPECT_FALSE(parse_modelfile_toml("from = \"a\\nSYSTEM b\"", "m.toml"));
}

TEST(Catalogue, TheOneInTheRepositoryIsWhole) {
  const Catalogue catalogue = *parse_catalogue(
      [] {
        std::ifstream in(std::string(source_dir()) + "/catalogue/models.toml");
        return std::string((std::istreambuf_iterator<char>(in)), {});
      }(),
      "models.toml");
  EXPECT_GT(catalogue.entries.size(), 20u);
  EXPECT_EQ(catalogue.find("qwen2")->name, "qwen2:1.5b");
  EXPECT_EQ(catalogue.find("qwen2:9b"), nullptr);
  for (const CatalogueEntry& entry : catalogue.entries) {
    EXPECT_FALSE(entry.modelscope.empty()) << entry.name;
    EXPECT_FALSE(entry.licence.empty()) << entry.name;
    EXPECT_GT(entry.parameters, 0u) << entry.name;
    EXPECT_LT(bits_per_weight(entry.type), 9) << entry.name;
  }
  EXPECT_THAT(parse_catalogue("[\"x:1\"]\nmodelscop = \"a/b\"", "c").error().message,
              HasSubstr("modelscope"));
}

}  // namespace
}  // namespace jiang
