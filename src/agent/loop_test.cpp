#include "agent/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "agent/fenced_code.h"

namespace jiang {
namespace {

using testing::HasSubstr;

// Plays one list of events a turn, and keeps what it was asked.
class ScriptedBackend : public ChatBackend {
 public:
  std::deque<std::vector<ChatEvent>> turns;
  std::vector<ChatRequest> asked;

  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override {
    asked.push_back(std::move(request));
    if (turns.empty()) return fail(ErrorKind::invalid_argument, "no turn is left");
    auto stream = std::make_unique<Stream>(std::move(turns.front()));
    turns.pop_front();
    return std::unique_ptr<ChatStream>(std::move(stream));
  }
  Result<int32_t> count_tokens(const ChatRequest&) override { return 1; }
  ChatCapabilities capabilities() const override { return {.tools = true}; }

 private:
  class Stream : public ChatStream {
   public:
    explicit Stream(std::vector<ChatEvent> events) : events_(std::move(events)) {}
    std::optional<ChatEvent> next_within(double) override {
      if (cancelled_) return ChatFinish{.reason = ChatFinishReason::cancelled};
      if (next_ == events_.size()) return std::nullopt;
      return events_[next_++];
    }
    void cancel() override { cancelled_ = true; }
    ChatProgress progress() const override { return {}; }

   private:
    std::vector<ChatEvent> events_;
    size_t next_ = 0;
    bool cancelled_ = false;
  };
};

std::vector<ChatEvent> says(const std::string& text, int32_t tokens = 10) {
  ChatFinish finish;
  finish.stats.generated_tokens = tokens;
  return {TextDelta{.text = text}, finish};
}

std::vector<ChatEvent> calls(const std::string& name, const std::string& arguments) {
  ChatFinish finish = {.reason = ChatFinishReason::tool_calls};
  finish.stats.generated_tokens = 10;
  // In two deltas, as a stream brings them.
  return {ToolCallDelta{.index = 0, .id = "call_1", .name = name},
          ToolCallDelta{.index = 0, .arguments = arguments.substr(0, 3)},
          ToolCallDelta{.index = 0, .arguments = arguments.substr(3)}, finish};
}

const Tool kEcho = {.name = "echo",
                    .description = "gives back its text",
                    .parameters = R"({"type":"object","properties":{"text":{"type":"string"}}})",
                    .permission = Permission::execute,
                    .ability = Ability::code,
                    .run = [](const Json& arguments, ToolContext&) -> Result<ToolOutput> {
                      return ToolOutput{.ok = true, .text = arguments.value("text", "")};
                    }};

AgentRequest request_with(std::vector<const Tool*> tools) {
  AgentRequest request;
  request.chat.messages = Json::array({{{"role", "user"}, {"content", "hello"}}});
  request.tools = std::move(tools);
  return request;
}

class AgentLoop : public testing::Test {
 protected:
  AgentOutcome run(AgentRequest request) {
    AgentEvents events;
    events.on_part = [&](const Json& part) { parts_.push_back(part); };
    events.on_text = [&](const TextDelta& delta) { text_ += delta.text; };
    auto outcome = run_agent(backend_, std::move(request), events, cancelled_);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome ? std::move(*outcome) : AgentOutcome{};
  }

  ScriptedBackend backend_;
  std::vector<Json> parts_;
  std::string text_;
  std::atomic<bool> cancelled_ = false;
};

TEST_F(AgentLoop, ResultsComeBackAsMessages) {
  backend_.turns = {calls("echo", R"({"text":"42"})"), says("It is 42.")};
  const AgentOutcome outcome = run(request_with({&kEcho}));
  EXPECT_EQ(outcome.text, "It is 42.");
  EXPECT_EQ(outcome.steps, 2);
  EXPECT_EQ(outcome.finish.stats.generated_tokens, 20);
  ASSERT_EQ(outcome.calls.size(), 1u);
  EXPECT_TRUE(outcome.calls[0].ok);
  ASSERT_EQ(backend_.asked.size(), 2u);
  const Json& messages = backend_.asked[1].messages;
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"], R"({"text":"42"})");
  EXPECT_EQ(messages[2]["role"], "tool");
  EXPECT_EQ(messages[2]["tool_call_id"], "call_1");
  EXPECT_EQ(messages[2]["content"], "42");
  ASSERT_EQ(parts_.size(), 2u);
  EXPECT_EQ(parts_[0]["type"], "tool_call");
  EXPECT_EQ(parts_[1]["ok"], true);
}

TEST_F(AgentLoop, UnknownToolsAndBadArgumentsAreToldToTheModel) {
  backend_.turns = {calls("delete_all", "{}  "), calls("echo", "{not json"), says("sorry")};
  const AgentOutcome outcome = run(request_with({&kEcho}));
  ASSERT_EQ(outcome.calls.size(), 2u);
  EXPECT_THAT(outcome.calls[0].result, HasSubstr("no tool named delete_all"));
  EXPECT_FALSE(outcome.calls[1].ok);
  EXPECT_EQ(outcome.text, "sorry");
}

TEST_F(AgentLoop, TheSameCallThriceIsBrokenWithANote) {
  for (int i = 0; i < 3; ++i) backend_.turns.push_back(calls("echo", R"({"text":"x"})"));
  backend_.turns.push_back(says("done"));
  const AgentOutcome outcome = run(request_with({&kEcho}));
  ASSERT_EQ(outcome.calls.size(), 3u);
  EXPECT_TRUE(outcome.calls[1].ok);
  EXPECT_FALSE(outcome.calls[2].ok);
  EXPECT_THAT(outcome.calls[2].result, HasSubstr("same call"));
}

TEST_F(AgentLoop, BudgetsEndItAndAreNamed) {
  for (int i = 0; i < 9; ++i) {
    backend_.turns.push_back(calls("echo", fmt::format(R"({{"text":"{}"}})", i)));
  }
  AgentRequest request = request_with({&kEcho});
  request.budget.steps = 3;
  const AgentOutcome outcome = run(std::move(request));
  EXPECT_EQ(outcome.steps, 3);
  EXPECT_EQ(outcome.stopped_by, "steps");
  EXPECT_THAT(text_, HasSubstr("limit on steps"));

  backend_.turns = {calls("echo", R"({"text":"a"})"), calls("echo", R"({"text":"b"})")};
  request = request_with({&kEcho});
  request.budget.tokens = 15;
  EXPECT_EQ(run(std::move(request)).stopped_by, "tokens");
  EXPECT_EQ(backend_.asked.back().max_tokens, 5);
}

TEST_F(AgentLoop, LongResultsAreCutAndSaySo) {
  backend_.turns = {calls("echo", R"({"text":")" + std::string(3000, 'y') + R"("})"), says("ok")};
  AgentRequest request = request_with({&kEcho});
  request.budget.result_bytes = 100;
  const AgentOutcome outcome = run(std::move(request));
  EXPECT_THAT(outcome.calls[0].result, HasSubstr("[... 2900 bytes left out ...]"));
}

TEST_F(AgentLoop, ApprovalIsAskedOnceWhenItIsForAlways) {
  int n_asked = 0;
  backend_.turns = {calls("echo", R"({"text":"a"})"), calls("echo", R"({"text":"b"})"), says("ok")};
  AgentRequest request = request_with({&kEcho});
  request.approve = [&](const Tool&, const Json&) {
    ++n_asked;
    return Approval::always;
  };
  run(std::move(request));
  EXPECT_EQ(n_asked, 1);

  backend_.turns = {calls("echo", R"({"text":"a"})"), says("ok")};
  request = request_with({&kEcho});
  request.approve = [](const Tool&, const Json&) { return Approval::deny; };
  const AgentOutcome outcome = run(std::move(request));
  EXPECT_FALSE(outcome.calls[0].approved);
  EXPECT_THAT(outcome.calls[0].result, HasSubstr("did not allow"));
}

TEST_F(AgentLoop, StopEndsTheTurn) {
  backend_.turns = {says("never shown")};
  cancelled_ = true;
  const AgentOutcome outcome = run(request_with({}));
  EXPECT_EQ(outcome.finish.reason, ChatFinishReason::cancelled);
  EXPECT_EQ(outcome.text, "");
}

TEST_F(AgentLoop, CodeOfAnAnswerIsRunAndMended) {
  auto sandbox = Sandbox::open();
  if (!sandbox) GTEST_SKIP() << sandbox.error().message;
  backend_.turns = {says("Here:\n```c\nint main(void) { return 0 }\n```\n"),
                    says("```c\n#include <stdio.h>\nint main(void) { puts(\"1 2 3\"); return 0; }\n"
                         "```\n")};
  AgentRequest request = request_with({});
  request.verifies_code = true;
  request.context.sandbox = sandbox->get();
  const AgentOutcome outcome = run(std::move(request));
  EXPECT_EQ(outcome.steps, 2);
  const std::string& complaint =
      backend_.asked[1].messages[2]["content"].get_ref<const std::string&>();
  EXPECT_THAT(complaint, HasSubstr("error: expected"));
  EXPECT_THAT(outcome.text, HasSubstr("compiled without warnings"));
  EXPECT_THAT(outcome.text, HasSubstr("printed: 1 2 3"));
  std::vector<std::string> ends;
  for (const Json& part : parts_) {
    if (part["type"] == "execution") ends.push_back(part["end"]);
  }
  EXPECT_THAT(ends, testing::ElementsAre("compile_error", "exited"));
}

TEST_F(AgentLoop, RunCTellsWhatHappened) {
  auto sandbox = Sandbox::open();
  if (!sandbox) GTEST_SKIP() << sandbox.error().message;
  const Tool* tool = find_tool("run_c");
  ASSERT_TRUE(tool);
  ToolContext context = {.sandbox = sandbox->get(), .folder = ""};
  const auto output = tool->run(
      {{"code",
        "#include <stdio.h>\nint main(void) { int a; scanf(\"%d\", &a); return printf(\"%d\\n\", "
        "a + 1) < 0; }"},
       {"input", "41"}},
      context);
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_TRUE(output->ok);
  EXPECT_THAT(output->text, HasSubstr("stdout:\n42"));
  EXPECT_EQ(output->part["out"], "42\n");
  EXPECT_FALSE(tool->run({{"code", 3}}, context));
  context.sandbox = nullptr;
  EXPECT_FALSE(tool->run({{"code", "int main(void){}"}}, context));
}

TEST(FencedCode, FindsTheFirstCBlock) {
  EXPECT_EQ(first_c_program("x\n```c\nint main;\n```\n"), "int main;\n");
  EXPECT_EQ(first_c_program("```python\nmain\n```\n```C\na\n```"), "a\n");
  EXPECT_EQ(first_c_program("```\nint main\n```"), "int main\n");
  EXPECT_EQ(first_c_program("  ```c title\n```` no fence\n  ```\n"), "```` no fence\n");
  EXPECT_EQ(first_c_program("~~~c\n```\nint a;\n~~~"), "```\nint a;\n");
  EXPECT_EQ(first_c_program("```c\nint half;"), std::nullopt);
  EXPECT_EQ(first_c_program("```cpp\nint main\n```"), std::nullopt);
  EXPECT_EQ(first_c_program(""), std::nullopt);
}

TEST(Tools, EveryToolIsWhole) {
  for (const Tool& tool : tools()) {
    EXPECT_EQ(find_tool(tool.name), &tool);
    const auto schema = parse_json(tool.parameters, tool.name);
    ASSERT_TRUE(schema) << schema.error().message;
    EXPECT_EQ((*schema)["type"], "object");
    EXPECT_EQ((*schema)["additionalProperties"], false);
    EXPECT_GT(std::string_view(tool.description).size(), 20u);
  }
  EXPECT_EQ(find_tool("rm"), nullptr);
}

}  // namespace
}  // namespace jiang
