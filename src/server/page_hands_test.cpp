// Agents with hands, over HTTP: programs in the real box, approvals, Stop, what is kept and what
// comes back.
#include "base/file.h"
#include "server/page_support.h"
#include "server/page_test.h"

namespace jiang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string run_c_call(const std::string& code, const std::string& input = "") {
  return "<call>run_c " + to_string(Json{{"code", code}, {"input", input}});
}

constexpr const char* kSort =
    "#include <stdio.h>\n"
    "int main(void) {\n"
    "  int a[3];\n"
    "  for (int i = 0; i < 3; ++i) if (scanf(\"%d\", &a[i]) != 1) return 1;\n"
    "  for (int i = 0; i < 3; ++i)\n"
    "    for (int j = i + 1; j < 3; ++j)\n"
    "      if (a[j] < a[i]) { int t = a[i]; a[i] = a[j]; a[j] = t; }\n"
    "  printf(\"%d %d %d\\n\", a[0], a[1], a[2]);\n"
    "  FILE* f = fopen(\"sorted.txt\", \"w\");\n"
    "  return !f || fprintf(f, \"%d\", a[0]) < 0 || fclose(f);\n"
    "}\n";

class HandsTest : public PageTest {
 protected:
  HandsTest() { models_.script.set_tools(true); }

  // False: no box holds on this machine.
  bool open_box() {
    auto box = Sandbox::open();
    if (!box) return false;
    box_ = *std::move(box);
    host_.sandbox = box_.get();
    return true;
  }
  // A message's parts of one type.
  static std::vector<Json> parts_of(const Json& message, const std::string& type) {
    std::vector<Json> found;
    for (const Json& part : message["parts"]) {
      if (part["type"] == type) found.push_back(part);
    }
    return found;
  }
  std::string agent_with(bool code, bool web) {
    EXPECT_EQ(call("PUT", "agents/smith", {{"name", "Smith"}, {"code", code}, {"web", web}}).status,
              200);
    return "smith";
  }
  // Until the answer has a part that `is_it`.
  Json wait_for_part(const std::string& chat, const std::function<bool(const Json&)>& is_it) {
    for (int i = 0; i < 4000; ++i) {
      const Json all = messages(chat);
      for (const Json& part : all.back()["parts"]) {
        if (is_it(part)) return part;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "the part never came";
    return Json::object();
  }
  Json wait_for_question(const std::string& chat) {
    return wait_for_part(chat, [](const Json& part) {
      return part["type"] == "approval" && part["answer"].is_null();
    });
  }
  int answer(const Json& run, const Json& question, const char* how) {
    return call(
               "POST",
               "runs/" + run.get<std::string>() + "/approvals/" + question["id"].get<std::string>(),
               {{"answer", how}})
        .status;
  }

  std::unique_ptr<Sandbox> box_;
};

TEST_F(HandsTest, AProgramIsWrittenRunAndTheResultIsInTheAnswer) {
  if (!open_box()) GTEST_SKIP() << "no box holds here";
  models_.script.set_turns(
      {{"<think>I shall run it", run_c_call(kSort, "3 1 2")}, {"It printed 1 2 3."}});
  const std::string chat = new_chat({{"agent_id", "craftsman"}});
  const Json asked = ask(chat, "请编写一个C语言程序，实现数组排序。");
  const Events events = events_of(asked["run"]);
  EXPECT_EQ(events.last["status"], "done");
  EXPECT_EQ(events.text, "It printed 1 2 3.");
  const Json message = messages(chat)[1];
  EXPECT_EQ(message["parts"], events.last["message"]["parts"]);
  const auto types = [&] {
    std::vector<std::string> all;
    for (const Json& part : message["parts"]) all.push_back(part["type"]);
    return all;
  };
  EXPECT_THAT(types(), ElementsAre("tool_call", "code", "tool_result", "execution"));
  EXPECT_EQ(message["parts"][0]["id"], message["parts"][2]["id"]);
  EXPECT_THAT(message["parts"][0]["arguments"].get<std::string>(), HasSubstr("3 1 2"));
  EXPECT_EQ(message["parts"][1]["code"], kSort);
  EXPECT_EQ(message["parts"][2]["ok"], true);
  const Json ran = message["parts"][3];
  EXPECT_EQ(ran["out"], "1 2 3\n");
  EXPECT_EQ(ran["exit_code"], 0);
  // The model was told in its own form.
  const Json told = models_.script.requests().back().messages;
  EXPECT_EQ(told.back()["role"], "tool");
  EXPECT_THAT(told.back()["content"].get<std::string>(), HasSubstr("1 2 3"));
  // What the program wrote can be had, by its owner only, and goes with the conversation.
  ASSERT_EQ(ran["files"].size(), 1u);
  const std::string file = "/" + ran["files"][0]["url"].get<std::string>();
  EXPECT_EQ(call("GET", file).body, "1");
  EXPECT_THAT(call("GET", file).head, HasSubstr("attachment"));
  EXPECT_EQ(call_as(new_user("other"), "GET", file).status, 404);
  EXPECT_EQ(call("GET", file + "x").status, 404);
  EXPECT_EQ(call("GET", "conversations/" + chat + "/files/..%2F..%2Fdata.db").status, 404);
  // Whoever comes back reads the same events again.
  EXPECT_EQ(events_of(asked["run"]).types, events.types);
  EXPECT_EQ(call("DELETE", "conversations/" + chat).status, 204);
  EXPECT_FALSE(is_regular_file(page_->files.folder(chat) + "/sorted.txt"));
}

TEST_F(HandsTest, AProgramOfTheAnswerIsVerifiedByASmallModelToo) {
  if (!open_box()) GTEST_SKIP() << "no box holds here";
  models_.script.set_tools(false);
  models_.script.set_turns({{"```c\nint main(void) { retrun 0; }\n```\n"},
                            {"```c\n#include <stdio.h>\nint main(void) { puts(\"42\"); }\n```\n"}});
  const std::string chat = new_chat({{"agent_id", agent_with(true, false)}});
  const Json asked = ask(chat, "write it");
  const Events events = events_of(asked["run"]);
  EXPECT_THAT(events.text, HasSubstr("Verified: compiled without warnings"));
  EXPECT_THAT(events.text, HasSubstr("printed: 42"));
  const auto runs = parts_of(messages(chat)[1], "execution");
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0]["end"], "compile_error");
  EXPECT_THAT(runs[0]["diagnostics"].get<std::string>(), HasSubstr("retrun"));
  EXPECT_EQ(runs[1]["out"], "42\n");
  const auto requests = models_.script.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_TRUE(requests[0].tools.is_null()) << "a small model is not told of tools";
}

TEST_F(HandsTest, WithTheCodeAbilityOffNothingRuns) {
  open_box();
  models_.script.set_turns({{run_c_call(kSort, "3 1 2")},
                            {"```c\nint main(void) { return 0; }\n```\n", run_c_call(kSort, "1")},
                            {"```c\nint main(void) { return 0; }\n```\n"}});
  const std::string chat = new_chat({{"agent_id", agent_with(false, true)}});
  const Json asked = ask(chat, "run it");
  const Events events = events_of(asked["run"]);
  EXPECT_EQ(events.last["status"], "done");
  const Json message = messages(chat)[1];
  EXPECT_TRUE(parts_of(message, "execution").empty());
  EXPECT_TRUE(parts_of(message, "code").empty());
  const auto results = parts_of(message, "tool_result");
  ASSERT_EQ(results.size(), 2u);
  for (const Json& result : results) {
    EXPECT_EQ(result["ok"], false);
    EXPECT_THAT(result["output"].get<std::string>(), HasSubstr("no tool named run_c"));
  }
  for (const ChatRequest& request : models_.script.requests()) {
    EXPECT_THAT(to_string(request.tools), Not(HasSubstr("run_c")));
  }
}

TEST_F(HandsTest, AVisitorRunsProgramsOnlyWhereTheAgentMay) {
  const auto visitor_of = [&](const std::string& agent) {
    const Reply shared =
        call("POST", "shares", {{"kind", "agent"}, {"id", agent}, {"level", "link"}});
    return storage_->users().visit(shared.json["token"].get<std::string>())->session;
  };
  const Json program = {{"language", "c"}, {"code", "int main(void) { return 0; }"}};
  const std::string without = visitor_of(agent_with(false, false));
  EXPECT_THAT(call_as(without, "POST", "run-code", program).body, HasSubstr("no code ability"));
  if (!open_box()) GTEST_SKIP() << "no box holds here";
  const std::string with = visitor_of("craftsman");
  EXPECT_EQ(call_as(with, "POST", "run-code", program).json["run"]["exit_code"], 0);
}

TEST_F(HandsTest, AnAgentWithoutAbilitiesIsAskedAsAModelIs) {
  models_.script.set({"```c\nint main(void) { return 0; }\n```\n"});
  const std::string chat = new_chat({{"agent_id", agent_with(false, false)}});
  events_of(ask(chat, "q")["run"]);
  EXPECT_TRUE(messages(chat)[1]["parts"].empty());
  EXPECT_TRUE(models_.script.requests().back().tools.is_null());
}

TEST_F(HandsTest, TheNetworkIsAskedForAndOnceIsOnce) {
  const std::vector<std::string> fetch = {R"(<call>web_fetch {"url":"http://127.0.0.1/"})"};
  models_.script.set_turns({fetch, {"never mind"}, fetch, {"ok"}});
  const std::string chat = new_chat({{"agent_id", agent_with(false, true)}});
  const Json asked = ask(chat, "read http://127.0.0.1/");
  const Json question = wait_for_question(chat);
  EXPECT_EQ(question["name"], "web_fetch");
  // Nobody else can answer, and only what was asked is answered.
  const std::string route =
      "runs/" + asked["run"].get<std::string>() + "/approvals/" + question["id"].get<std::string>();
  EXPECT_EQ(call_as(new_user("other"), "POST", route, {{"answer", "once"}}).status, 404);
  EXPECT_EQ(call("POST", route + "x", {{"answer", "once"}}).status, 404);
  EXPECT_EQ(call("POST", route, {{"answer", "perhaps"}}).json["error"]["param"], "answer");
  EXPECT_EQ(answer(asked["run"], question, "once"), 204);
  events_of(asked["run"]);
  EXPECT_EQ(answer(asked["run"], question, "once"), 404) << "it was answered";
  const Json first = messages(chat)[1];
  EXPECT_EQ(parts_of(first, "approval")[0]["answer"], "once");
  // Allowed, and refused all the same: the address is this machine's.
  EXPECT_THAT(parts_of(first, "tool_result")[0]["output"].get<std::string>(),
              HasSubstr("127.0.0.1"));

  const Json again = ask(chat, "again", asked["answer"]["id"]);
  const Json second = wait_for_question(chat);
  EXPECT_EQ(answer(again["run"], second, "deny"), 204);
  EXPECT_EQ(events_of(again["run"]).text, "ok");
  EXPECT_THAT(parts_of(messages(chat)[3], "tool_result")[0]["output"].get<std::string>(),
              HasSubstr("did not allow"));
}

TEST_F(HandsTest, AlwaysIsRememberedForThisAgentAndTool) {
  const std::vector<std::string> fetch = {R"(<call>web_fetch {"url":"http://127.0.0.1/"})"};
  models_.script.set_turns({fetch, {"a"}, fetch, {"b"}});
  const std::string chat = new_chat({{"agent_id", agent_with(false, true)}});
  const Json asked = ask(chat, "q");
  EXPECT_EQ(answer(asked["run"], wait_for_question(chat), "always"), 204);
  events_of(asked["run"]);
  const Json again = ask(chat, "again", asked["answer"]["id"]);
  EXPECT_EQ(events_of(again["run"]).text, "b");
  EXPECT_TRUE(parts_of(messages(chat)[3], "approval").empty());
  EXPECT_EQ(call("GET", "settings").json["approvals"]["smith"]["web_fetch"], "always");
}

TEST_F(HandsTest, StopEndsAProgramAndAQuestion) {
  models_.script.set_turns({{R"(<call>web_fetch {"url":"http://127.0.0.1/"})"}});
  const std::string chat = new_chat({{"agent_id", agent_with(true, true)}});
  const Json asked = ask(chat, "q");
  wait_for_question(chat);
  EXPECT_EQ(call("POST", "runs/" + asked["run"].get<std::string>() + "/stop").status, 204);
  EXPECT_EQ(events_of(asked["run"]).last["status"], "stopped");

  if (!open_box()) GTEST_SKIP() << "no box holds here";
  models_.script.set_turns({{run_c_call("int main(void) { for (;;); }")}});
  const std::string other = new_chat({{"agent_id", "smith"}});
  const Json spinning = ask(other, "q");
  wait_for_part(other, [](const Json& part) { return part["type"] == "code"; });
  EXPECT_EQ(call("POST", "runs/" + spinning["run"].get<std::string>() + "/stop").status, 204);
  EXPECT_EQ(events_of(spinning["run"]).last["status"], "stopped");
  // The next turn was never asked for.
  EXPECT_EQ(models_.script.requests().size(), 2u);
}

TEST_F(HandsTest, ARestartInAQuestionLeavesAnInterruptedAnswer) {
  models_.script.set_turns({{"hm", R"(<call>web_fetch {"url":"http://127.0.0.1/"})"}});
  const std::string chat = new_chat({{"agent_id", agent_with(false, true)}});
  ask(chat, "q");
  wait_for_question(chat);
  stop();
  start();
  const Json message = messages(chat)[1];
  EXPECT_EQ(message["status"], "interrupted");
  EXPECT_EQ(message["content"], "hm");
  EXPECT_EQ(parts_of(message, "tool_call").size(), 1u);
}

TEST_F(HandsTest, BudgetsEndAnAgentThatGoesRound) {
  std::deque<std::vector<std::string>> turns;
  for (int i = 0; i < 20; ++i) {
    turns.push_back({"<call>nothing {\"n\":" + std::to_string(i) + "}"});
  }
  models_.script.set_turns(std::move(turns));
  const std::string chat = new_chat({{"agent_id", agent_with(true, true)}});
  const Events events = events_of(ask(chat, "q")["run"]);
  EXPECT_EQ(events.last["status"], "length");
  EXPECT_THAT(events.text, HasSubstr("the limit on steps was reached"));
  EXPECT_EQ(models_.script.requests().size(), 8u);
}

TEST_F(HandsTest, AnAgentIsItsOwnersUntilItIsShared) {
  const std::string ming = new_user("ming");
  const std::string hong = new_user("hong");
  ASSERT_EQ(
      call_as(ming, "PUT", "agents/own", {{"name", "Own"}, {"instructions", "hidden"}}).status,
      200);
  EXPECT_TRUE(call_as(ming, "GET", "agents/own").json["mine"].get<bool>());
  EXPECT_EQ(call("GET", "agents/own").status, 200) << "the server's owner sees all";
  const auto sees = [&](const std::string& session) {
    const std::string all = call_as(session, "GET", "agents").body;
    return all.find("\"own\"") != std::string::npos;
  };
  EXPECT_TRUE(sees(ming));
  EXPECT_FALSE(sees(hong));
  const struct {
    const char* method;
    const char* target;
    Json body;
    int status;
  } refused[] = {
      {"GET", "agents/own", Json(), 404},
      {"GET", "agents/own/export", Json(), 404},
      {"PUT", "agents/own", {{"name", "Stolen"}}, 400},
      {"DELETE", "agents/own", Json(), 404},
      {"POST", "conversations", {{"agent_id", "own"}}, 400},
      {"POST", "shares", {{"kind", "agent"}, {"id", "own"}, {"level", "server"}}, 404},
      {"POST",
       "temporary",
       {{"agent_id", "own"}, {"messages", {{{"role", "user"}, {"content", "q"}}}}},
       404},
      {"POST",
       "temporary",
       {{"model", "agent:own"}, {"messages", {{{"role", "user"}, {"content", "q"}}}}},
       404},
  };
  for (const auto& row : refused) {
    EXPECT_EQ(call_as(hong, row.method, row.target, row.body).status, row.status)
        << row.method << " " << row.target;
  }
  const auto may = [&](const char* name, Caller::Kind kind, const std::string& user) {
    Caller caller;
    caller.kind = kind;
    caller.user_id = user;
    return may_use_model(*page_, caller, name);
  };
  const std::string owner = agents_->find("own")->owner;
  EXPECT_TRUE(may("agent:own", Caller::Kind::user, owner));
  EXPECT_TRUE(may("agent:own", Caller::Kind::owner, ""));
  EXPECT_FALSE(may("agent:own", Caller::Kind::user, "hong"));
  EXPECT_FALSE(may("agent:Own", Caller::Kind::user, "hong")) << "by its name, too";
  EXPECT_FALSE(may("agent:own", Caller::Kind::keyless, ""));
  EXPECT_TRUE(may("agent:craftsman", Caller::Kind::keyless, ""));
  ASSERT_EQ(call("PUT", "agents/mine", {{"name", "Mine"}}).status, 200);
  EXPECT_TRUE(may("agent:mine", Caller::Kind::keyless, "")) << "the owner's own programs";
  EXPECT_FALSE(may("agent:mine", Caller::Kind::user, "hong"));
  EXPECT_TRUE(may("own", Caller::Kind::keyless, "")) << "a model, not an agent";
  ASSERT_EQ(call_as(ming, "POST", "shares", {{"kind", "agent"}, {"id", "own"}, {"level", "server"}})
                .status,
            201);
  EXPECT_TRUE(sees(hong));
  EXPECT_TRUE(may("agent:own", Caller::Kind::keyless, ""));
  EXPECT_EQ(call_as(hong, "POST", "conversations", {{"agent_id", "own"}}).status, 201);
  EXPECT_THAT(call_as(hong, "GET", "agents/own").body, Not(HasSubstr("hidden")));
  const Json peek = {{"agent_id", "own"}, {"messages", {{{"role", "user"}, {"content", "q"}}}}};
  EXPECT_EQ(call_as(hong, "POST", "prompt", peek).status, 400);
  EXPECT_EQ(call_as(hong, "PUT", "agents/own", {{"name", "Stolen"}}).status, 400);
  EXPECT_EQ(call_as(hong, "GET", "agents/own/export").status, 400);
  EXPECT_EQ(call_as(hong, "DELETE", "agents/own").status, 400);
  // The export names no user, and what is written keeps its owner.
  EXPECT_THAT(call_as(ming, "GET", "agents/own/export").body, Not(HasSubstr("owner")));
  ASSERT_EQ(call("PUT", "agents/own", {{"name", "Changed by the server's owner"}}).status, 200);
  EXPECT_TRUE(call_as(ming, "GET", "agents/own").json["mine"].get<bool>());
}

TEST_F(HandsTest, ASentenceIsMadeAnAgentByTheModelWhenItIsUpToIt) {
  const Json written = {{"name", "诗人"},
                        {"introduction", "写诗"},
                        {"instructions", "你是诗人。"},
                        {"opening", "来一首？"},
                        {"questions", {"一", "二", "三"}},
                        {"code", false},
                        {"web", true}};
  models_.script.set({to_string(written)});
  const Json wish = {{"sentence", "做一个诗人"}, {"locale", "zh-CN"}};
  EXPECT_EQ(call("POST", "agents/draft", wish).json["by"], "template") << "the model is small";
  models_.bytes = uint64_t{1} << 30;
  const Json draft = call("POST", "agents/draft", wish).json;
  EXPECT_EQ(draft["by"], "model");
  EXPECT_EQ(draft["agent"]["opening"], "来一首？");
  EXPECT_EQ(draft["agent"]["web"], true);
  const ChatRequest request = models_.script.requests().back();
  EXPECT_EQ(request.format.kind, ResponseFormat::Kind::json_schema);
  // It is not saved, and what the model spoils is not taken.
  EXPECT_EQ(call("GET", "agents").json["items"].size(), 1u);
  models_.script.set({"{\"name\": 3}"});
  EXPECT_EQ(call("POST", "agents/draft", wish).json["by"], "template");
}

TEST_F(HandsTest, AnAgentIsAModelWhoseToolsRunHereUnlessTheClientBringsItsOwn) {
  if (!open_box()) GTEST_SKIP() << "no box holds here";
  agent_with(true, false);
  AgentSource source(*agents_, models_, host_);
  const auto backend = *source.open("agent:smith");
  ChatRequest request;
  request.messages = {{{"role", "user"}, {"content", "sort 3 1 2"}}};
  models_.script.set_turns({{run_c_call(kSort, "3 1 2")}, {"1 2 3"}});
  const auto read = [](ChatStream& stream) {
    std::string text;
    std::vector<std::string> calls;
    while (auto event = stream.next_within(-1)) {
      if (const auto* delta = std::get_if<TextDelta>(&*event)) text += delta->text;
      if (const auto* call = std::get_if<ToolCallDelta>(&*event)) calls.push_back(call->name);
      if (const auto* part = std::get_if<PartEvent>(&*event)) {
        if (part->part["type"] == "execution") text += part->part["out"].get<std::string>();
      }
    }
    return text + (calls.empty() ? "" : "call " + calls[0]);
  };
  EXPECT_EQ(read(**backend->start(request)), "1 2 3\n1 2 3");
  // The client's own tools are the client's to run.
  request.tools = Json::array({{{"type", "function"}, {"function", {{"name", "mine"}}}}});
  models_.script.set_turns({{"<call>mine {}"}});
  EXPECT_EQ(read(**backend->start(request)), "call mine");
  EXPECT_THAT(to_string(models_.script.requests().back().tools), Not(HasSubstr("run_c")));
}

}  // namespace
}  // namespace jiang
