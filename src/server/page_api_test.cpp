// The page's API through real HTTP on loopback, with a model that says what the test wants.
#include "server/page_api.h"

#include <future>

#include "server/answer_request.h"
#include "server/page_test.h"

namespace jiang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(PageTest, AQuestionIsAnsweredInEventsAndKept) {
  models_.script.set({"<think>hm", "你", "好"});
  const std::string chat = new_chat();
  const Json asked =
      ask(chat, "这是一个很长的问题，用来看标题是否在三十个字符处被切断，后面还有很多字。");
  EXPECT_EQ(asked["answer"]["status"], "running");
  EXPECT_EQ(asked["answer"]["parent"], asked["message"]["id"]);
  const Events events = events_of(asked["run"]);
  EXPECT_EQ(events.text, "你好");
  EXPECT_EQ(events.thoughts, "hm");
  EXPECT_EQ(events.types.front(), "title");
  EXPECT_EQ(events.last["type"], "done");
  EXPECT_EQ(events.last["status"], "done");
  EXPECT_EQ(events.last["message"]["content"], "你好");
  EXPECT_EQ(events.last["stats"]["context"], 100);
  const Json kept = messages(chat)[1];
  EXPECT_EQ(kept["content"], "你好");
  EXPECT_EQ(kept["reasoning"], "hm");
  EXPECT_EQ(kept["status"], "done");
  EXPECT_EQ(kept["model"], "tiny");
  EXPECT_EQ(call("GET", "conversations/" + chat).json["conversation"]["title"],
            "这是一个很长的问题，用来看标题是否在三十个字符处被切断，后面");
}

TEST_F(PageTest, WhoLeavesAndComesBackMissesNothingAndReadsNothingTwice) {
  models_.script.set({"a", "b", "c", "d", "e"});
  models_.script.allow(2);
  const std::string chat = new_chat();
  const Json asked = ask(chat, "q");
  const Json half = wait_for_text(chat, 1, "ab");
  EXPECT_EQ(half["content"], "ab");
  EXPECT_EQ(half["status"], "running");
  EXPECT_EQ(half["run"], asked["run"]);
  EXPECT_TRUE(call("GET", "conversations").json["items"][0]["running"].get<bool>());
  // A page that reads, and goes away in the middle.
  {
    TestSocket page(server_->port());
    page.send_all(request_text("GET",
                               "/jiang/v1/runs/" + asked["run"].get<std::string>() + "/events",
                               "cookie: jiang_session=" + owner_ + "\r\n"));
    EXPECT_TRUE(page.read_until("\"text\""));
    page.reset();
  }
  models_.script.allow(-1);
  const Events rest = events_of(asked["run"], half["run_event"]);
  EXPECT_EQ("ab" + rest.text, "abcde");
  EXPECT_EQ(events_of(asked["run"]).text, "abcde");
  EXPECT_EQ(messages(chat)[1]["content"], "abcde");
  EXPECT_EQ(call("GET", "runs/nonsense/events").status, 404);
  EXPECT_EQ(call("GET", "runs/nonsense/events").json["error"]["code"], "run_gone");
}

TEST_F(PageTest, StopKeepsTheTextAndContinueGoesOnWithIt) {
  models_.script.set({"one ", "two ", "three"});
  models_.script.allow(1);
  const std::string chat = new_chat();
  const Json asked = ask(chat, "count");
  wait_for_text(chat, 1, "one ");
  EXPECT_EQ(call("POST", "runs/" + asked["run"].get<std::string>() + "/stop").status, 204);
  EXPECT_EQ(events_of(asked["run"]).last["status"], "stopped");
  EXPECT_EQ(messages(chat)[1]["content"], "one ");
  EXPECT_EQ(messages(chat)[1]["status"], "stopped");
  models_.script.set({"and more"});
  models_.script.allow(-1);
  const Reply more =
      call("POST", "conversations/" + chat + "/continue", {{"message", asked["answer"]["id"]}});
  ASSERT_EQ(more.status, 201) << more.body;
  EXPECT_EQ(events_of(more.json["run"]).text, "and more");
  const Json all = messages(chat);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1]["content"], "one and more");
  EXPECT_EQ(all[1]["status"], "done");
  const ChatRequest last = models_.script.requests().back();
  EXPECT_TRUE(last.continues_last);
  EXPECT_EQ(last.messages.back()["content"], "one ");
  EXPECT_EQ(call("POST", "conversations/" + chat + "/continue", {{"message", "x"}}).status, 404);
}

TEST_F(PageTest, AnotherAnswerStandsBesideTheFirst) {
  const std::string chat = new_chat({{"settings", {{"system", "be brief"}, {"temperature", 0}}}});
  const Json asked = ask(chat, "q");
  events_of(asked["run"]);
  const Reply again =
      call("POST", "conversations/" + chat + "/answers", {{"parent", asked["message"]["id"]}});
  ASSERT_EQ(again.status, 201) << again.body;
  events_of(again.json["run"]);
  const Json all = messages(chat);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1]["parent"], all[2]["parent"]);
  const ChatRequest request = models_.script.requests().back();
  EXPECT_EQ(to_string(request.messages),
            R"([{"role":"system","content":"be brief"},{"role":"user","content":"q"}])");
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(call("DELETE", "messages/" + all[1]["id"].get<std::string>()).status, 204);
  EXPECT_EQ(messages(chat).size(), 2u);
}

TEST_F(PageTest, ATemporaryChatLeavesNoRow) {
  const Reply begun =
      call("POST", "temporary",
           {{"messages", {{{"role", "user"}, {"content", "a very secret thing"}}}}});
  ASSERT_EQ(begun.status, 201) << begun.body;
  const Events events = events_of(begun.json["run"]);
  EXPECT_EQ(events.text, "Hello");
  EXPECT_EQ(events.last["message"]["content"], "Hello");
  EXPECT_TRUE(call("GET", "conversations").json["items"].empty());
  for (const char* file : {"/data.db", "/data.db-wal"}) {
    EXPECT_EQ(read_file(home_.path() + file, size_t{64} << 20)->find("secret thing"),
              std::string::npos);
  }
  EXPECT_EQ(call("POST", "temporary", {{"messages", Json::array()}}).json["error"]["param"],
            "messages");
}

TEST_F(PageTest, WhatTheModelsFilesSayHoldsUntilSomebodySaysOtherwise) {
  models_.own().sampling.temperature = 0.25f;
  models_.own().sampling.top_k = 7;
  models_.own().stop = {"END"};
  models_.own().max_tokens = 33;
  models_.own().system = "be brief";
  models_.own().first = {{"user", "hi"}, {"assistant", "hello"}};
  const std::string plain = new_chat();
  events_of(ask(plain, "q")["run"]);
  ChatRequest seen = models_.script.requests().back();
  EXPECT_EQ(seen.sampling.temperature, 0.25f);
  EXPECT_EQ(seen.sampling.top_k, 7);
  EXPECT_THAT(seen.stop, ElementsAre("END"));
  EXPECT_EQ(seen.max_tokens, 33);
  ASSERT_EQ(seen.messages.size(), 4u);
  EXPECT_EQ(seen.messages[0]["content"], "be brief");
  EXPECT_EQ(seen.messages[2]["content"], "hello");
  EXPECT_EQ(seen.messages[3]["content"], "q");
  const std::string settled =
      new_chat({{"settings", {{"temperature", 1.5}, {"max_tokens", 5}, {"system", "in verse"}}}});
  events_of(ask(settled, "q")["run"]);
  seen = models_.script.requests().back();
  EXPECT_EQ(seen.sampling.temperature, 1.5f);
  EXPECT_EQ(seen.sampling.top_k, 7);
  EXPECT_EQ(seen.max_tokens, 5);
  EXPECT_EQ(seen.messages[0]["content"], "in verse");
}

TEST_F(PageTest, AFailedAnswerSaysWhyAndIsKept) {
  const std::string chat = new_chat();
  const Json asked = ask(chat, "too long");
  const Events events = events_of(asked["run"]);
  EXPECT_EQ(events.last["status"], "error");
  EXPECT_THAT(events.types, ElementsAre("title", "error", "done"));
  EXPECT_EQ(messages(chat)[1]["error"], "the prompt has 9 tokens, the context 8");
  const std::string gone = new_chat({{"model", "gone"}});
  EXPECT_EQ(events_of(ask(gone, "q")["run"]).last["status"], "error");
}

TEST_F(PageTest, ARestartInTheMiddleLeavesAnInterruptedAnswer) {
  models_.script.set({"half", "whole"});
  models_.script.allow(1);
  const std::string chat = new_chat();
  ask(chat, "q");
  wait_for_text(chat, 1, "half");
  stop();
  start();
  const Json answer = messages(chat)[1];
  EXPECT_EQ(answer["content"], "half");
  EXPECT_EQ(answer["status"], "interrupted");
  EXPECT_TRUE(answer["run"].is_null());
}

TEST_F(PageTest, WhatBelongsToAnotherIsNotFoundOnEveryRoute) {
  models_.script.allow(0);
  const std::string chat = new_chat();
  const Json asked = ask(chat, "q");
  const std::string run = asked["run"];
  const std::string answer = asked["answer"]["id"];
  const std::string question = asked["message"]["id"];
  const std::string other = new_user("other");
  const struct {
    const char* method;
    std::string target;
    Json body;
  } cases[] = {
      {"GET", "conversations/" + chat, Json()},
      {"PATCH", "conversations/" + chat, {{"title", "x"}}},
      {"DELETE", "conversations/" + chat, Json()},
      {"GET", "conversations/" + chat + "/export", Json()},
      {"GET", "conversations/" + chat + "/export?format=html", Json()},
      {"POST", "conversations/" + chat + "/messages", {{"content", "x"}}},
      {"POST", "conversations/" + chat + "/answers", {{"parent", question}}},
      {"POST", "conversations/" + chat + "/continue", {{"message", answer}}},
      {"DELETE", "messages/" + question, Json()},
      {"PUT", "messages/" + answer + "/feedback", {{"value", 1}}},
      {"GET", "runs/" + run + "/events", Json()},
      {"POST", "runs/" + run + "/stop", Json::object()},
      {"POST", "shares", {{"kind", "conversation"}, {"id", chat}, {"level", "link"}}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(call_as(other, c.method, c.target, c.body).status, 404)
        << c.method << " " << c.target;
    EXPECT_EQ(call_as("", c.method, c.target, c.body).status, 401) << c.method << " " << c.target;
  }
  EXPECT_TRUE(call_as(other, "GET", "conversations").json["items"].empty());
  EXPECT_EQ(call_as(other, "GET", "users").status, 403);
  models_.script.allow(-1);
}

TEST_F(PageTest, AVisitorChatsWithTheAgentAndNeverSeesItsInstructions) {
  const std::string secret = "the secret of the forge";
  ASSERT_EQ(
      call("PUT", "agents/smith", {{"name", "Smith"}, {"instructions", secret}, {"opening", "hi"}})
          .status,
      200);
  const Reply shared =
      call("POST", "shares", {{"kind", "agent"}, {"id", "smith"}, {"level", "link"}});
  ASSERT_EQ(shared.status, 201) << shared.body;
  const std::string link = shared.json["url"];
  const Reply first = call_as("", "GET", "/" + link);
  EXPECT_EQ(first.status, 303);
  const std::string token = shared.json["token"];
  EXPECT_THAT(first.head, HasSubstr("location: ../visit?share=" + token));
  const Reply second = call_as("", "GET", "/visit?share=" + token);
  EXPECT_EQ(second.status, 303);
  const size_t at = second.head.find("jiang_session=");
  ASSERT_NE(at, std::string::npos);
  EXPECT_THAT(second.head, HasSubstr("HttpOnly; SameSite=Strict"));
  const std::string visitor = second.head.substr(at + 14, second.head.find(';', at) - at - 14);

  std::string seen;
  const auto visit = [&](const char* method, const std::string& target, const Json& body = Json()) {
    const Reply reply = call_as(visitor, method, target, body);
    seen += reply.head + reply.body;
    return reply;
  };
  const Json session = visit("GET", "session").json;
  EXPECT_EQ(session["user"]["role"], "visitor");
  EXPECT_EQ(session["share"]["agent"]["name"], "Smith");
  const Json agents = visit("GET", "agents").json["items"];
  ASSERT_EQ(agents.size(), 1u);
  EXPECT_FALSE(agents[0].contains("instructions"));
  EXPECT_EQ(visit("GET", "agents/craftsman").status, 404);
  EXPECT_EQ(visit("GET", "agents/smith").status, 200);
  EXPECT_EQ(visit("GET", "agents/smith/export").status, 403);
  EXPECT_EQ(visit("PUT", "agents/smith", {{"name", "x"}}).status, 403);
  EXPECT_EQ(visit("POST", "prompt", {{"messages", Json::array()}}).status, 403);
  EXPECT_EQ(visit("POST", "shares", {{"kind", "agent"}}).status, 403);
  const Reply chat = visit("POST", "conversations", {{"settings", {{"system", "evil"}}}});
  ASSERT_EQ(chat.status, 201);
  EXPECT_EQ(chat.json["agent_id"], "smith");
  const std::string id = chat.json["id"];
  const Reply asked = visit("POST", "conversations/" + id + "/messages", {{"content", "q"}});
  ASSERT_EQ(asked.status, 201);
  visit("GET", "runs/" + asked.json["run"].get<std::string>() + "/events");
  EXPECT_EQ(models_.script.requests().back().messages[0]["content"], secret);
  const Reply passing =
      visit("POST", "temporary", {{"messages", {{{"role", "user"}, {"content", "q"}}}}});
  EXPECT_EQ(passing.status, 201);
  visit("GET", "runs/" + passing.json["run"].get<std::string>() + "/events");
  visit("GET", "conversations/" + id);
  for (const char* format : {"json", "markdown", "html"}) {
    visit("GET", "conversations/" + id + "/export?format=" + format);
  }
  EXPECT_THAT(seen, Not(HasSubstr(secret)));

  EXPECT_EQ(call("DELETE", "shares/" + token).status, 204);
  EXPECT_EQ(call_as(visitor, "GET", "agents").status, 401);
  EXPECT_EQ(call_as("", "GET", "/" + link).status, 404);
}

TEST_F(PageTest, ASharedConversationCanBeReadAndNotContinued) {
  const std::string chat = new_chat({{"settings", {{"system", "hidden words"}}}});
  events_of(ask(chat, "q")["run"]);
  const Reply shared =
      call("POST", "shares", {{"kind", "conversation"}, {"id", chat}, {"level", "link"}});
  const std::string visitor =
      storage_->users().visit(shared.json["token"].get<std::string>())->session;
  const Reply read = call_as(visitor, "GET", "conversations/" + chat);
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.json["messages"].size(), 2u);
  EXPECT_THAT(read.body, Not(HasSubstr("hidden words")));
  EXPECT_EQ(call_as(visitor, "GET", "conversations/" + new_chat()).status, 404);
  EXPECT_EQ(
      call_as(visitor, "POST", "conversations/" + chat + "/messages", {{"content", "x"}}).status,
      404);
  EXPECT_EQ(call_as(visitor, "PATCH", "conversations/" + chat, {{"title", "x"}}).status, 404);
  EXPECT_EQ(call_as(visitor, "POST", "conversations", Json::object()).status, 400);
  EXPECT_EQ(call("DELETE", "conversations/" + chat).status, 204);
  EXPECT_EQ(call_as(visitor, "GET", "session").json["user"], Json());
}

TEST_F(PageTest, ALoginLinkWorksOnceAndKeysAreShownOnce) {
  const std::string user = storage_->users().owner()->id;
  const std::string token = *storage_->users().make_login_token(user, std::chrono::seconds(60));
  const Reply first = call_as("", "GET", "/login?token=" + token);
  EXPECT_EQ(first.status, 303);
  EXPECT_THAT(first.head, HasSubstr("location: ./"));
  EXPECT_EQ(call_as("", "GET", "/login?token=" + token).status, 401);
  EXPECT_TRUE(call_as("", "GET", "session").json["keyless"].get<bool>());
  const Reply key = call("POST", "keys", {{"name", "k"}});
  ASSERT_EQ(key.status, 201) << key.body;
  const std::string bearer = "authorization: Bearer " + key.json["key"].get<std::string>() + "\r\n";
  EXPECT_EQ(call_as("", "GET", "conversations", Json(), bearer).status, 200);
  EXPECT_FALSE(call_as("", "GET", "session").json["keyless"].get<bool>());
  EXPECT_THAT(call("GET", "keys").body, Not(HasSubstr(key.json["key"].get<std::string>())));
  EXPECT_EQ(call("DELETE", "keys/" + key.json["id"].get<std::string>()).status, 204);
  EXPECT_EQ(call_as("", "GET", "conversations", Json(), bearer).status, 401);
  const Reply invited = call("POST", "users", {{"name", "小明"}, {"role", "user"}});
  ASSERT_EQ(invited.status, 201);
  EXPECT_EQ(call_as("", "GET", "/" + invited.json["link"].get<std::string>()).status, 303);
  EXPECT_EQ(call("POST", "users", {{"name", "x"}, {"role", "visitor"}}).json["error"]["param"],
            "role");
  EXPECT_EQ(call("POST", "logout", Json::object()).status, 204);
  EXPECT_EQ(call("GET", "conversations").status, 401);
}

TEST_F(PageTest, AUserWhoIsRemovedIsOutAtOnceAndTheirStreamsEnd) {
  models_.script.allow(0);
  const std::string session = new_user("other");
  const Reply chat = call_as(session, "POST", "conversations", Json::object());
  ASSERT_EQ(chat.status, 201) << chat.body;
  const std::string id = chat.json["id"];
  const Reply asked =
      call_as(session, "POST", "conversations/" + id + "/messages", {{"content", "hi"}});
  ASSERT_EQ(asked.status, 201) << asked.body;
  const std::string events = "runs/" + asked.json["run"].get<std::string>() + "/events?after=0";
  auto reading = std::async(std::launch::async, [&] { return call_as(session, "GET", events); });
  std::string user;
  const Json users = call("GET", "users").json;
  for (const Json& one : users["items"]) {
    if (one["name"] == "other") user = one["id"];
  }
  ASSERT_NE(user, "");
  EXPECT_EQ(call("DELETE", "users/" + user).status, 204);
  const Reply read = reading.get();  // comes back although the model says nothing
  if (read.status == 200) {          // or the user was gone before it began
    EXPECT_THAT(read.body, HasSubstr("\"type\":\"done\""));
  }
  EXPECT_EQ(call_as(session, "GET", "conversations").status, 401);
}

TEST_F(PageTest, AgentsAreMadeChangedExportedAndImported) {
  const Json list = call("GET", "agents").json;
  EXPECT_EQ(list["items"][0]["name"], "代码匠");
  EXPECT_TRUE(list["items"][0]["built_in"].get<bool>());
  EXPECT_EQ(call("PUT", "agents/craftsman", {{"name", "x"}}).status, 400);
  EXPECT_EQ(call("PUT", "agents/poet", Json::object()).json["error"]["param"], "name");
  EXPECT_EQ(call("PUT", "agents/poet", {{"name", "诗人"}, {"opning", "x"}}).status, 400);
  EXPECT_EQ(call("PUT", "agents/a%2Fb", {{"name", "x"}}).status, 400);
  const Json poet = {{"name", "诗人"}, {"opening", "来了\n一首"}, {"parameters", {{"seed", 1}}}};
  ASSERT_EQ(call("PUT", "agents/poet", poet).status, 200);
  EXPECT_TRUE(is_regular_file(home_.path() + "/agents/poet.toml"));
  EXPECT_TRUE(call("GET", "agents/poet").json["file"].get<bool>());
  for (const char* format : {"toml", "json"}) {
    const std::string text = call("GET", std::string("agents/poet/export?format=") + format).body;
    const Reply back = call("POST", "agents/import", {{"text", text}});
    ASSERT_EQ(back.status, 200) << back.body;
    EXPECT_EQ(back.json["agent"]["opening"], "来了\n一首");
    EXPECT_TRUE(back.json["dropped"].empty());
  }
  EXPECT_EQ(call("POST", "agents/import", {{"text", "name = 1"}}).status, 400);
  const Reply draft =
      call("POST", "agents/draft", {{"sentence", "做一个诗人"}, {"locale", "zh-CN"}});
  EXPECT_EQ(draft.json["by"], "template");
  EXPECT_EQ(draft.json["agent"]["name"], "诗人");
  EXPECT_EQ(call("DELETE", "agents/poet").status, 204);
  EXPECT_EQ(call("GET", "agents/poet").status, 404);
  EXPECT_EQ(call("GET", "abilities").json["code"]["reason"], "no box");
  EXPECT_EQ(call("POST", "run-code", {{"language", "c"}, {"code", "x"}}).json["error"]["code"],
            "unsupported");
}

TEST_F(PageTest, ExportsComeBackAndSearchFindsChinese) {
  models_.script.set({"用冒泡排序"});
  const std::string chat = new_chat({{"folder", "课程"}});
  const Json asked = ask(chat, "数组怎么排序？");
  events_of(asked["run"]);
  EXPECT_EQ(call("PUT", "messages/" + asked["answer"]["id"].get<std::string>() + "/feedback",
                 {{"value", 1}, {"comment", "好"}})
                .status,
            204);
  EXPECT_EQ(call("GET", "conversations?q=%E5%86%92%E6%B3%A1").json["items"].size(), 1u);
  EXPECT_EQ(call("GET", "conversations?q=%E6%B2%A1%E6%9C%89").json["items"].size(), 0u);
  EXPECT_EQ(to_string(call("GET", "folders").json), "[\"课程\"]");
  const std::string line = call("GET", "feedback.jsonl").body;
  EXPECT_THAT(line, HasSubstr("\"comment\":\"好\""));
  EXPECT_EQ(parse_json(line, "line")->at("prompt_hash").get<std::string>().size(), 64u);
  const std::string exported = call("GET", "conversations/" + chat + "/export").body;
  EXPECT_EQ(call("DELETE", "conversations/" + chat).status, 204);
  const Reply back = call("POST", "conversations/import", *parse_json(exported, "export"));
  ASSERT_EQ(back.status, 201) << back.body;
  EXPECT_EQ(back.json["ids"][0], chat);
  EXPECT_EQ(call("GET", "conversations/" + chat + "/export").body, exported);
  EXPECT_THAT(call("GET", "conversations/" + chat + "/export?format=markdown").body,
              HasSubstr("冒泡"));
  EXPECT_EQ(call("GET", "conversations/" + chat + "/export?format=exe").json["error"]["param"],
            "format");
  EXPECT_EQ(call("POST", "conversations/import", Json::array()).status, 400);
}

TEST_F(PageTest, TheSameQuestionSentTwiceIsAskedOnce) {
  const std::string chat = new_chat();
  const std::string target = "conversations/" + chat + "/messages";
  const Reply first = call_as(owner_, "POST", target, {{"content", "q"}}, "idempotency-key: k\r\n");
  const Reply second =
      call_as(owner_, "POST", target, {{"content", "q"}}, "idempotency-key: k\r\n");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(first.json["answer"]["id"], second.json["answer"]["id"]);
  EXPECT_EQ(messages(chat).size(), 2u);
}

TEST_F(PageTest, OpenPagesHearWhatChanged) {
  TestSocket page(server_->port());
  page.send_all(
      request_text("GET", "/jiang/v1/events", "cookie: jiang_session=" + owner_ + "\r\n"));
  ASSERT_TRUE(page.read_until("\r\n\r\n"));
  const std::string chat = new_chat();
  EXPECT_TRUE(page.read_until(chat));
  ASSERT_EQ(call("PUT", "agents/poet", {{"name", "x"}}).status, 200);
  EXPECT_TRUE(page.read_until("\"agents\""));
}

TEST_F(PageTest, SettingsPresetsAndModelsAreShown) {
  EXPECT_EQ(call("PATCH", "settings", {{"locale", "zh-CN"}}).json["locale"], "zh-CN");
  EXPECT_EQ(call("GET", "settings").json["locale"], "zh-CN");
  ASSERT_EQ(call("PUT", "presets/p", {{"system", "s"}}).status, 200);
  EXPECT_EQ(call("GET", "presets").json["items"][0]["name"], "p");
  EXPECT_EQ(call("DELETE", "presets/p").status, 204);
  const Json model = call("GET", "models").json["items"][0];
  EXPECT_EQ(model["name"], "tiny");
  EXPECT_TRUE(model["default"].get<bool>());
  EXPECT_TRUE(model["small"].get<bool>());
  EXPECT_EQ(call("POST", "models/load", {{"name", "none"}}).status, 404);
}

TEST(AnswerRequest, SettingsAreCheckedByName) {
  const struct {
    Json settings;
    const char* says;
  } cases[] = {
      {{{"temperature", 3}}, "settings.temperature: "},
      {{{"temperature", "1"}}, "settings.temperature: "},
      {{{"top_k", 1.5}}, "settings.top_k: "},
      {{{"max_tokens", 0}}, "settings.max_tokens: "},
      {{{"seed", -1}}, "settings.seed: "},
      {{{"stop", {""}}}, "settings.stop: "},
      {{{"thinking", 1}}, "settings.thinking: "},
      {Json::array(), "settings: "},
  };
  for (const auto& c : cases) {
    ChatRequest request;
    const Status status = apply_settings(c.settings, request);
    ASSERT_FALSE(status) << to_string(c.settings);
    EXPECT_THAT(status.error().message, HasSubstr(c.says));
  }
  ChatRequest request;
  ASSERT_TRUE(apply_settings(
      {{"temperature", 0.5}, {"max_tokens", 7}, {"stop", "x"}, {"thinking", false}, {"unknown", 1}},
      request));
  EXPECT_FLOAT_EQ(request.sampling.temperature, 0.5f);
  EXPECT_EQ(request.max_tokens, 7);
  EXPECT_THAT(request.stop, ElementsAre("x"));
  EXPECT_EQ(request.thinking, false);
}

TEST(AnswerRequest, TitlesEndBetweenCharacters) {
  EXPECT_EQ(title_of("  first line  \nsecond"), "first line");
  EXPECT_EQ(title_of("\n \n"), "");
  std::string families;
  for (int i = 0; i < 40; ++i) families += "👨‍👩‍👧";
  EXPECT_EQ(title_of(families).size(), 30 * std::string("👨‍👩‍👧").size());
}

TEST(AnswerRequest, APathBecomesTurnsWithoutHoles) {
  std::vector<Message> path(4);
  path[0].role = "user";
  path[0].content = "a";
  path[0].attachments = {{"f.txt", "text"}};
  path[1].role = "assistant";  // an error: it holds nothing
  path[2].role = "user";
  path[2].content = "b";
  path[3].role = "assistant";
  path[3].content = "c";
  path[3].reasoning = "not shown again";
  EXPECT_EQ(
      to_string(messages_of_path(path, "s")),
      R"([{"role":"system","content":"s"},{"role":"user","content":"f.txt:\n```\ntext\n```\n\na\n\nb"},{"role":"assistant","content":"c"}])");
}

TEST_F(PageTest, AnAgentIsAModelOfEveryDialect) {
  ASSERT_EQ(call("PUT", "agents/poet",
                 {{"name", "诗人"},
                  {"instructions", "rhyme"},
                  {"parameters", {{"temperature", 0}, {"max_tokens", 9}}}})
                .status,
            200);
  AgentSource source(*agents_, models_, host_);
  EXPECT_THAT(source.names(), ElementsAre("agent:craftsman", "agent:poet"));
  EXPECT_TRUE(source.knows("agent:诗人"));
  EXPECT_FALSE(source.knows("agent:nobody"));
  EXPECT_FALSE(source.knows("poet"));
  const auto backend = *source.open("agent:诗人");
  ChatRequest request;
  request.max_tokens = 3;
  request.messages = {{{"role", "system"}, {"content", "in Latin"}},
                      {{"role", "user"}, {"content", "q"}}};
  request.notify = [] {};
  ASSERT_TRUE(backend->start(request));
  const ChatRequest seen = models_.script.requests().back();
  EXPECT_EQ(seen.messages[0]["content"], "rhyme\n\nin Latin");
  EXPECT_EQ(seen.messages.size(), 2u);
  EXPECT_EQ(seen.sampling.temperature, 0);
  EXPECT_EQ(seen.max_tokens, 3) << "what the request says wins";
}

TEST(EventLog, ReadersGoOnWhereTheyWere) {
  EventLog log(3);
  int told = 0;
  const int64_t watch = log.watch([&] { ++told; });
  for (const char* event : {"1", "2", "3", "4", "5"}) log.append(event);
  EXPECT_EQ(told, 5);
  EXPECT_EQ(log.read(3, 1000).text, "id: 4\ndata: 4\n\nid: 5\ndata: 5\n\n");
  EXPECT_EQ(log.read(0, 1000).last, 5);  // two are forgotten
  EXPECT_EQ(log.read(0, 1).text, "id: 3\ndata: 3\n\n");
  EXPECT_FALSE(log.read(5, 1000).is_end);
  log.unwatch(watch);
  log.end();
  EXPECT_EQ(told, 5);
  EXPECT_TRUE(log.read(5, 1000).is_end);
  log.append("late");
  EXPECT_EQ(log.last(), 5);
}

}  // namespace
}  // namespace jiang
