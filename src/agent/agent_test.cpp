#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "agent/agent_folder.h"
#include "agent/agent_import.h"
#include "agent/agent_spec.h"
#include "base/file.h"

namespace jiang {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(AgentSpec, TheCraftsmanIsAsTheCourseHasIt) {
  const AgentSpec& spec = craftsman();
  EXPECT_EQ(spec.name, "代码匠");
  EXPECT_EQ(spec.introduction, "C语言代码一键生成，编程master亲自讲授，知识点同步掌握！");
  EXPECT_EQ(
      spec.instructions,
      "你是代码匠，专门处理用户编程需求，通过提示词快速生成C语言代码，并以耐心细致的语气指导用户"
      "理解代码及背后的知识点。你的能力有:\n-解析用户需求，快速生成C语言代码。\n"
      "-列出编写代码所需的知识点。\n-鼓励用户学习并理解代码逻辑。");
  EXPECT_EQ(spec.opening, "你好，我是代码匠，专帮你解决C语言编程难题，让我们猛猛开始吧！");
  EXPECT_THAT(spec.questions, ElementsAre("如何用C语言实现一个简单的计算器？",
                                          "请编写一个C语言程序，实现数组排序。",
                                          "我想用C语言做一个学生管理系统，应该如何开始编写代码？"));
  EXPECT_TRUE(spec.code);
  EXPECT_TRUE(spec.web);
  EXPECT_TRUE(spec.built_in);
}

TEST(AgentSpec, TomlAndJsonGiveTheSameBack) {
  AgentSpec spec = craftsman();
  spec.built_in = false;
  spec.skills = {"a", "b \"quoted\"\nline"};
  spec.parameters = Json{{"temperature", 0.5}, {"stop", {"x", "y"}}, {"seed", 7}};
  spec.model = "m";
  const auto toml = parse_agent_toml(to_toml(spec), spec.id, "x.toml");
  ASSERT_TRUE(toml) << toml.error().message << "\n" << to_toml(spec);
  EXPECT_EQ(to_json(*toml, true), to_json(spec, true));
  const auto json = parse_agent_json(to_json(spec, true), "agent");
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(to_json(*json, true), to_json(spec, true));
}

TEST(AgentSpec, AVisitorSeesNoInstructions) {
  AgentSpec spec = craftsman();
  spec.parameters = Json{{"stop", {"secret-stop"}}};
  const std::string shown = to_string(to_json(spec, false));
  EXPECT_EQ(shown.find("instructions"), std::string::npos);
  EXPECT_EQ(shown.find("耐心细致"), std::string::npos);
  EXPECT_EQ(shown.find("secret-stop"), std::string::npos);
}

TEST(AgentSpec, ErrorsNameLineAndKey) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"", "x.toml: name: is missing"},
      {"name = 1", "x.toml:1: name: must be a text"},
      {"name = \"a\"\nopning = \"b\"", "x.toml:2: opning: is not a key of an agent; did you mean"},
      {"name = \"a\"\n\ncode = \"yes\"", "x.toml:3: code: must be true or false"},
      {"name = \"a\"\nquestions = [1]", "x.toml:2: questions: must be a list of texts"},
      {"name = \"a\"\navatar = \"ab\"", "x.toml:2: avatar: must be one emoji"},
      {"name = \"a\"\navatar = \"data:text/html;base64,AA\"", "x.toml:2: avatar: must be a PNG"},
      {"name = \"a\"\nparameters = 3", "x.toml:2: parameters: must be a table"},
      {"name = \"a\nb\"", "x.toml:1: "},
      {"built_in = true\nname = \"a\"", "x.toml:1: built_in: is not a key"},
  };
  for (const auto& c : cases) {
    const auto spec = parse_agent_toml(c.text, "x", "x.toml");
    ASSERT_FALSE(spec) << c.text;
    EXPECT_THAT(spec.error().message, HasSubstr(c.says));
  }
  EXPECT_TRUE(
      parse_agent_toml("name = \"a\"\navatar = \"👨‍👩‍👧‍👦\"", "家庭", "x.toml"));
  for (const char* id : {"", "a/b", "..", "a.b", "a b"}) {
    EXPECT_FALSE(parse_agent_toml("name = \"a\"", id, "x.toml")) << id;
  }
}

class AgentFolderTest : public ::testing::Test {
 protected:
  AgentFolderTest() {
    std::string name = (std::filesystem::temp_directory_path() / "jiang-agents-XXXXXX").string();
    home_ = ::mkdtemp(name.data());
  }
  ~AgentFolderTest() override { std::filesystem::remove_all(home_); }

  void open() {
    folder_ = *AgentFolder::open(path(""), [this] {
      const std::lock_guard lock(mutex_);
      ++changes_;
      changed_.notify_all();
    });
  }
  std::string path(const std::string& file) const { return home_ + "/agents/" + file; }
  // Waits, at most 20 s for each change, until a change made it true.
  bool becomes(const std::function<bool()>& condition) {
    while (true) {
      std::unique_lock lock(mutex_);
      const int seen = changes_;
      lock.unlock();
      if (condition()) return true;
      lock.lock();
      if (!changed_.wait_for(lock, std::chrono::seconds(20), [&] { return changes_ != seen; })) {
        return false;
      }
    }
  }

  std::string home_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int changes_ = 0;
  std::unique_ptr<AgentFolder> folder_;
};

TEST_F(AgentFolderTest, AFileBecomesAnAgentAndABadOneKeepsTheAgentThatWas) {
  std::filesystem::create_directories(path(""));
  open();
  EXPECT_EQ(folder_->agents().size(), 1u);
  ASSERT_TRUE(write_file(path("poet.toml"), "name = \"诗人\"\n"));
  ASSERT_TRUE(becomes([&] { return folder_->find("poet").has_value(); }));
  EXPECT_EQ(folder_->find("诗人")->id, "poet");
  EXPECT_THAT(folder_->problems(), IsEmpty());
  ASSERT_TRUE(write_file(path("poet.toml"), "name = \"诗人\"\nopening = 5\n"));
  ASSERT_TRUE(becomes([&] { return !folder_->problems().empty(); }));
  const auto problems = folder_->problems();
  EXPECT_EQ(problems[0].file, "poet.toml");
  EXPECT_EQ(problems[0].line, 2);
  EXPECT_EQ(problems[0].message, "opening: must be a text");
  EXPECT_EQ(folder_->find("poet")->name, "诗人") << "a bad file took the agent down";
  std::filesystem::remove(path("poet.toml"));
  ASSERT_TRUE(becomes([&] { return !folder_->find("poet").has_value(); }));
  EXPECT_THAT(folder_->problems(), IsEmpty());
}

TEST_F(AgentFolderTest, WhatIsPutIsAFileAndBuiltInOnesStay) {
  open();
  AgentSpec spec = craftsman();
  EXPECT_FALSE(folder_->put(spec));
  EXPECT_FALSE(folder_->remove(spec.id));
  spec.id = "mine";
  spec.built_in = false;
  ASSERT_TRUE(folder_->put(spec));
  EXPECT_TRUE(is_regular_file(path("mine.toml")));
  EXPECT_EQ(folder_->find("mine")->opening, spec.opening);
  EXPECT_TRUE(folder_->has_file("mine"));
  ASSERT_TRUE(folder_->remove("mine"));
  EXPECT_FALSE(folder_->find("mine").has_value());
  EXPECT_FALSE(folder_->remove("mine"));
}

TEST_F(AgentFolderTest, AFileCannotStandInForABuiltInAgent) {
  std::filesystem::create_directories(path(""));
  ASSERT_TRUE(write_file(path("craftsman.toml"), "name = \"evil\"\n"));
  open();
  EXPECT_EQ(folder_->find("craftsman")->name, "代码匠");
  ASSERT_EQ(folder_->problems().size(), 1u);
  EXPECT_THAT(folder_->problems()[0].message, HasSubstr("built in"));
}

TEST(AgentImport, TakesWhatOthersCallTheSameAndNamesTheRest) {
  const auto gpt = import_agent(R"({"name":"G","description":"D","instructions":"I",
    "conversation_starters":["a","b"],"tools":[{"type":"code_interpreter"}],
    "profile_picture":"http://x/y.png","knowledge":{"files":["f"]},"visibility":null})");
  ASSERT_TRUE(gpt) << gpt.error().message;
  EXPECT_EQ(gpt->form, "gpt");
  EXPECT_EQ(gpt->agent.instructions, "I");
  EXPECT_TRUE(gpt->agent.code);
  EXPECT_FALSE(gpt->agent.web);
  EXPECT_THAT(gpt->agent.questions, ElementsAre("a", "b"));
  EXPECT_THAT(gpt->dropped, ElementsAre("profile_picture", "knowledge"));

  const auto lobe = import_agent(R"({"identifier":"x","meta":{"title":"L","avatar":"🦊",
    "description":"D","tags":["t"]},"config":{"systemRole":"S","openingMessage":"O",
    "openingQuestions":["q"],"params":{"temperature":0.5,"odd":1},"plugins":["p"]}})");
  ASSERT_TRUE(lobe) << lobe.error().message;
  EXPECT_EQ(lobe->agent.avatar, "🦊");
  EXPECT_EQ(lobe->agent.instructions, "S");
  EXPECT_EQ(to_string(lobe->agent.parameters), R"({"temperature":0.5})");
  EXPECT_THAT(lobe->dropped,
              ElementsAre("identifier", "meta.tags", "config.params.odd", "config.plugins"));

  const auto dify =
      import_agent(R"({"kind":"app","app":{"name":"N","icon":"robot.png","mode":"chat"},
    "model_config":{"pre_prompt":"P","opening_statement":"O","suggested_questions":["q"],
    "dataset_configs":{"a":1},"model":{"name":"m","completion_params":{"top_p":0.5}}}})");
  ASSERT_TRUE(dify) << dify.error().message;
  EXPECT_EQ(dify->agent.instructions, "P");
  EXPECT_EQ(dify->agent.avatar, "");
  EXPECT_THAT(dify->dropped,
              ElementsAre("model_config.dataset_configs", "model_config.model.name", "avatar"));

  const auto own = import_agent(to_string(to_json(craftsman(), true)));
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_EQ(own->agent.instructions, craftsman().instructions);
  EXPECT_FALSE(own->agent.built_in);
  EXPECT_THAT(own->dropped, IsEmpty());
  const auto toml = import_agent(to_toml(craftsman()));
  ASSERT_TRUE(toml) << toml.error().message;
  EXPECT_EQ(toml->agent.opening, craftsman().opening);

  for (const char* bad : {"", "[1]", "{\"a\":1}", "{", "kind: app\nmodel_config:\n  x: 1\n"}) {
    EXPECT_FALSE(import_agent(bad)) << bad;
  }
}

TEST(AgentDraft, ASentenceFillsTheForm) {
  const AgentSpec zh = draft_agent("帮我做一个教小学生学数学的老师。", "zh-CN");
  EXPECT_EQ(zh.name, "教小学生学数学的老师");
  EXPECT_THAT(zh.instructions, HasSubstr("教小学生学数学的老师"));
  EXPECT_EQ(zh.questions.size(), 3u);
  EXPECT_TRUE(parse_agent_json(to_json(zh, true), "agent"));
  const AgentSpec en = draft_agent("Make a patient Latin teacher", "en");
  EXPECT_EQ(en.name, "patient Lati");
  EXPECT_THAT(en.opening, HasSubstr("Hello"));
}

}  // namespace
}  // namespace jiang
