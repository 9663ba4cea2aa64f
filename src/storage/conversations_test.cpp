#include "storage/conversations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "storage/conversation_export.h"
#include "storage/storage_test_support.h"

namespace jiang {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ConversationsTest : public ::testing::Test {
 protected:
  std::string chat(const std::string& title = "") {
    return conversations_.create(user_, {.title = title})->id;
  }
  Asked ask(const std::string& chat, const std::string& text, const std::string& parent = "") {
    auto asked = conversations_.ask(user_, chat, {.parent = parent, .content = text},
                                    {.run = "r", .model = "m"});
    EXPECT_TRUE(asked) << asked.error().message;
    return *std::move(asked);
  }
  void finish(const std::string& message, const std::string& text,
              MessageStatus status = MessageStatus::done) {
    AnswerEnd end;
    end.progress.message_id = message;
    end.progress.content = text;
    end.status = status;
    end.stats = {{"generated_tokens", 3}};
    ASSERT_TRUE(conversations_.finish(end));
  }
  std::vector<std::string> found(const std::string& text) {
    std::vector<std::string> titles;
    const ConversationPage page = *conversations_.list(user_, {.text = text});
    for (const auto& item : page.items) {
      titles.push_back(item.title);
    }
    return titles;
  }

  TemporaryHome home_;
  std::unique_ptr<Storage> storage_ = open_storage(home_);
  Conversations& conversations_ = storage_->conversations();
  std::string user_ = storage_->users().owner()->id;
  std::string other_ = storage_->users().create("other", Role::user)->id;
};

TEST_F(ConversationsTest, AQuestionAndItsAnswerAreOneStep) {
  const std::string id = chat();
  const Asked asked = ask(id, "你好");
  EXPECT_EQ(asked.answer.parent, asked.question.id);
  EXPECT_EQ(asked.answer.status, MessageStatus::running);
  EXPECT_TRUE(conversations_.find(user_, id)->running);
  EXPECT_EQ(conversations_.find(user_, id)->leaf, asked.answer.id);
  finish(asked.answer.id, "Hallo");
  const Message answer = *conversations_.message(user_, asked.answer.id);
  EXPECT_EQ(answer.content, "Hallo");
  EXPECT_EQ(answer.run, "");
  EXPECT_EQ(to_string(answer.stats), R"({"generated_tokens":3})");
  EXPECT_FALSE(conversations_.find(user_, id)->running);
}

TEST_F(ConversationsTest, WhatBelongsToAnotherIsNotThere) {
  const std::string id = chat("mine");
  const Asked asked = ask(id, "secret");
  const std::string message = asked.question.id;
  const ErrorKind none = ErrorKind::not_found;
  EXPECT_EQ(conversations_.find(other_, id).error().kind, none);
  EXPECT_EQ(conversations_.find(other_, id).error().message,
            conversations_.find(other_, "nonsense").error().message);
  EXPECT_EQ(conversations_.messages(other_, id).error().kind, none);
  EXPECT_EQ(conversations_.message(other_, message).error().kind, none);
  EXPECT_EQ(conversations_.path(other_, message).error().kind, none);
  EXPECT_EQ(conversations_.change(other_, id, {.title = "x"}).error().kind, none);
  EXPECT_EQ(conversations_.remove(other_, id).error().kind, none);
  EXPECT_EQ(conversations_.remove_message(other_, message).error().kind, none);
  EXPECT_EQ(conversations_.set_feedback(other_, message, 1, "").error().kind, none);
  EXPECT_EQ(conversations_.ask(other_, id, {.content = "x"}, {}).error().kind, none);
  EXPECT_EQ(conversations_.answer_again(other_, id, message, {}).error().kind, none);
  EXPECT_EQ(conversations_.continue_answer(other_, id, asked.answer.id, {}).error().kind, none);
  EXPECT_EQ(conversations_.export_json(other_, id).error().kind, none);
  EXPECT_TRUE(conversations_.list(other_, {.text = "secret"})->items.empty());
  // A message of mine does not lead into another conversation of mine, either.
  EXPECT_EQ(conversations_.ask(user_, chat(), {.parent = message, .content = "x"}, {}).error().kind,
            none);
}

TEST_F(ConversationsTest, BranchesHangBesideEachOther) {
  const std::string id = chat();
  const Asked first = ask(id, "q1");
  finish(first.answer.id, "a1");
  const Message again = *conversations_.answer_again(user_, id, first.question.id, {.run = "r2"});
  finish(again.id, "a2");
  const Asked deep = ask(id, "q2", again.id);
  finish(deep.answer.id, "a3");
  std::vector<std::string> texts;
  const auto path = *conversations_.path(user_, deep.answer.id);
  for (const Message& message : path) {
    texts.push_back(message.content);
  }
  EXPECT_THAT(texts, ElementsAre("q1", "a2", "q2", "a3"));
  // Removing one branch keeps the other, and the page goes on with it.
  ASSERT_TRUE(conversations_.remove_message(user_, again.id));
  EXPECT_EQ(conversations_.messages(user_, id)->size(), 2u);
  EXPECT_EQ(conversations_.find(user_, id)->leaf, first.answer.id);
  ASSERT_TRUE(conversations_.remove_message(user_, first.question.id));
  EXPECT_EQ(conversations_.find(user_, id)->leaf, "");
}

TEST_F(ConversationsTest, ARunningAnswerIsNeitherRemovedNorAskedOn) {
  const std::string id = chat();
  const Asked asked = ask(id, "q");
  EXPECT_FALSE(conversations_.remove_message(user_, asked.question.id));
  EXPECT_FALSE(conversations_.ask(user_, id, {.parent = asked.answer.id, .content = "x"}, {}));
  EXPECT_FALSE(conversations_.continue_answer(user_, id, asked.answer.id, {}));
  finish(asked.answer.id, "half", MessageStatus::stopped);
  const auto continued = conversations_.continue_answer(user_, id, asked.answer.id, {.run = "r9"});
  ASSERT_TRUE(continued) << continued.error().message;
  EXPECT_EQ(continued->content, "half");
  EXPECT_EQ(continued->status, MessageStatus::running);
  finish(asked.answer.id, "half and whole");
  // What comes after the end changes nothing.
  finish(asked.answer.id, "late", MessageStatus::error);
  EXPECT_EQ(conversations_.message(user_, asked.answer.id)->content, "half and whole");
}

TEST_F(ConversationsTest, TheSameRequestTwiceIsOneMessage) {
  const std::string id = chat();
  const Question question{.content = "q", .request_key = "k"};
  const auto first = conversations_.ask(user_, id, question, {.run = "r"});
  const auto second = conversations_.ask(user_, id, question, {.run = "r2"});
  EXPECT_FALSE(first->repeated);
  EXPECT_TRUE(second->repeated);
  EXPECT_EQ(first->answer.id, second->answer.id);
  EXPECT_EQ(second->answer.run, "r");
  EXPECT_EQ(conversations_.messages(user_, id)->size(), 2u);
}

TEST_F(ConversationsTest, AnAnswerIsKeptAsItGrowsAndFlaggedAfterACrash) {
  const std::string id = chat();
  const Asked asked = ask(id, "q");
  const AnswerProgress progress[] = {
      {.message_id = asked.answer.id, .content = "half", .reasoning = "hm", .parts = {}},
      {.message_id = "gone", .content = "x", .reasoning = {}, .parts = {}}};
  ASSERT_TRUE(conversations_.save_progress(progress));
  storage_.reset();
  storage_ = open_storage(home_);
  const Message answer = *storage_->conversations().message(user_, asked.answer.id);
  EXPECT_EQ(answer.status, MessageStatus::interrupted);
  EXPECT_EQ(answer.content, "half");
  EXPECT_EQ(answer.reasoning, "hm");
}

TEST_F(ConversationsTest, PinnedFirstThenTheNewestPageByPage) {
  const std::string a = chat("a");
  const std::string b = chat("b");
  const std::string c = chat("c");
  const std::string d = chat("d");
  ASSERT_TRUE(conversations_.change(user_, a, {.pinned = true}));
  ask(b, "back to the front");
  std::string order;
  ConversationQuery query{.limit = 2};
  do {
    const ConversationPage page = *conversations_.list(user_, query);
    for (const auto& item : page.items) order += item.title;
    query.cursor = page.next;
    order += '|';
  } while (!query.cursor.empty());
  EXPECT_EQ(order, "ab|dc|");
  EXPECT_FALSE(conversations_.list(user_, {.cursor = "nonsense"}));
  EXPECT_FALSE(conversations_.list(user_, {.limit = 0}));
}

TEST_F(ConversationsTest, FindsChineseInTitlesAndMessages) {
  const std::string a = chat("计算器");
  const std::string b = chat("b");
  const Asked asked = ask(b, "请编写一个C语言程序，实现数组排序。");
  finish(asked.answer.id, "冒泡排序");
  chat("nothing");
  EXPECT_THAT(found("数组"), ElementsAre("b"));
  EXPECT_THAT(found("c语言"), ElementsAre("b"));
  EXPECT_THAT(found("泡"), ElementsAre("b"));
  EXPECT_THAT(found("计算"), ElementsAre("计算器"));
  EXPECT_THAT(found("%"), ElementsAre());
  EXPECT_THAT(found("' OR 1=1 --"), ElementsAre());
  EXPECT_EQ(conversations_.list(user_, {.text = "数组"})->items[0].snippet,
            "请编写一个C语言程序，实现数组排序。");
  ASSERT_TRUE(conversations_.change(user_, a, {.folder = "课程"}));
  EXPECT_THAT(*conversations_.folders(user_), ElementsAre("课程"));
  EXPECT_EQ(conversations_.list(user_, {.folder = "课程"})->items.size(), 1u);
}

TEST_F(ConversationsTest, FeedbackIsListedWithWhatItIsAbout) {
  const std::string id = chat();
  const auto asked = conversations_.ask(user_, id, {.content = "q"},
                                        {.run = "r", .model = "m", .parameters = {{"seed", 1}}});
  AnswerEnd end;
  end.progress.message_id = asked->answer.id;
  end.progress.content = "a";
  end.prompt_hash = "abc";
  ASSERT_TRUE(conversations_.finish(end));
  ASSERT_TRUE(conversations_.set_feedback(user_, asked->answer.id, -1, "wrong"));
  EXPECT_FALSE(conversations_.set_feedback(user_, asked->answer.id, 2, ""));
  const auto lines = *conversations_.feedback(user_);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["value"], -1);
  EXPECT_EQ(lines[0]["comment"], "wrong");
  EXPECT_EQ(lines[0]["prompt_hash"], "abc");
  EXPECT_EQ(to_string(lines[0]["parameters"]), R"({"seed":1})");
  ASSERT_TRUE(conversations_.set_feedback(user_, asked->answer.id, 0, ""));
  EXPECT_TRUE(conversations_.feedback(user_)->empty());
}

TEST_F(ConversationsTest, AnExportImportedElsewhereExportsTheSameBytes) {
  const std::string id = chat("标题 <b>");
  const auto asked = conversations_.ask(
      user_, id, {.content = "q\n\"x\"", .attachments = {{"a.txt", "text"}, {"b", ""}}},
      {.run = "r", .model = "m", .parameters = {{"temperature", 0.1}}});
  AnswerEnd end;
  end.progress = {asked->answer.id,
                  "a\t\xF0\x9F\x99\x82",
                  "think",
                  {{{"type", "code"}, {"code", "int main;"}}}};
  end.stats = {{"decode_tps", 12.345678901234567}};
  ASSERT_TRUE(conversations_.finish(end));
  finish(conversations_.answer_again(user_, id, asked->question.id, {})->id, "b",
         MessageStatus::length);
  ASSERT_TRUE(conversations_.set_feedback(user_, asked->answer.id, 1, "good"));
  ASSERT_TRUE(conversations_.change(user_, id,
                                    {.folder = "f",
                                     .pinned = true,
                                     .leaf = asked->answer.id,
                                     .settings = Json{{"system", "s"}, {"top_p", 0.9}}}));
  const std::string text = to_string(*conversations_.export_json(user_, id), 2);

  TemporaryHome elsewhere;
  const auto fresh = open_storage(elsewhere);
  const std::string owner = fresh->users().owner()->id;
  const auto report = parse_conversations(*parse_json(text, "export"));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->skipped.empty());
  const auto& one = report->conversations.front();
  const auto made = fresh->conversations().import_one(owner, one.conversation, one.messages);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(to_string(*fresh->conversations().export_json(owner, made->id), 2), text);
  // Where the ids are taken, a second copy gets ids of its own, and nothing else changes.
  const auto second = fresh->conversations().import_one(owner, one.conversation, one.messages);
  ASSERT_TRUE(second);
  EXPECT_NE(second->id, made->id);
  EXPECT_EQ(fresh->conversations().messages(owner, second->id)->size(), 3u);
}

TEST_F(ConversationsTest, ImportRefusesAndReportsWhatItCannotTake) {
  const auto refuse = [](const char* text) {
    return parse_conversations(*parse_json(text, "x")).error().message;
  };
  EXPECT_THAT(refuse("[]"), HasSubstr("empty"));
  EXPECT_THAT(refuse("[1]"), HasSubstr("not an object"));
  EXPECT_THAT(refuse(R"({"format":"jiang.conversation","version":2})"), HasSubstr("version 2"));
  EXPECT_THAT(refuse(R"({"a":1})"), HasSubstr("neither"));
  Message loop;
  loop.id = "a";
  loop.parent = "a";
  EXPECT_FALSE(conversations_.import_one(user_, {}, {loop}));
  EXPECT_TRUE(conversations_.list(user_, {})->items.empty()) << "half an import";
}

TEST_F(ConversationsTest, TakesChatGptAndOpenWebUiExports) {
  const char* const chatgpt = R"([{"title":"T","create_time":1700000000.5,"update_time":1700000001,
    "current_node":"c2","mapping":{
      "root":{"id":"root","message":null,"parent":null,"children":["s"]},
      "s":{"message":{"author":{"role":"system"},"content":{"content_type":"text","parts":[""]}},"parent":"root"},
      "q":{"message":{"author":{"role":"user"},"content":{"content_type":"text","parts":["问"]}},"parent":"s"},
      "c1":{"message":{"author":{"role":"assistant"},"content":{"parts":["one"]},"metadata":{"model_slug":"gpt"}},"parent":"q"},
      "c2":{"message":{"author":{"role":"assistant"},"content":{"parts":["two",{"image":1}]}},"parent":"q"}}}])";
  auto report = parse_conversations(*parse_json(chatgpt, "x"));
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->conversations.size(), 1u);
  const auto& one = report->conversations[0];
  ASSERT_EQ(one.messages.size(), 3u);
  EXPECT_EQ(one.conversation.created, 1700000000500);
  EXPECT_EQ(one.messages[0].parent, "");
  EXPECT_EQ(one.messages[1].parent, one.messages[0].id);
  EXPECT_EQ(one.messages[2].parent, one.messages[0].id);
  EXPECT_EQ(one.messages[1].model, "gpt");
  EXPECT_EQ(one.conversation.leaf, one.messages[2].id);
  EXPECT_THAT(report->skipped, ElementsAre(HasSubstr("T: 1 parts")));
  EXPECT_TRUE(conversations_.import_one(user_, one.conversation, one.messages));

  const char* const webui =
      R"([{"id":"x","title":"W","created_at":1700000000,"updated_at":1700000009,
    "chat":{"title":"W","history":{"currentId":"b","messages":{
      "a":{"id":"a","parentId":null,"childrenIds":["b"],"role":"user","content":"q","timestamp":1700000001},
      "b":{"id":"b","parentId":"a","role":"assistant","content":"r","model":"llama","timestamp":1700000002}}}}}])";
  report = parse_conversations(*parse_json(webui, "x"));
  ASSERT_TRUE(report);
  ASSERT_EQ(report->conversations[0].messages.size(), 2u);
  EXPECT_EQ(report->conversations[0].messages[1].model, "llama");
  EXPECT_EQ(report->conversations[0].conversation.leaf, report->conversations[0].messages[1].id);
}

TEST_F(ConversationsTest, TheHtmlPageHasNoScriptAndNoMarkupOfTheirs) {
  Conversation conversation{.title = "<script>alert(1)</script>"};
  Message message;
  message.role = "user";
  message.content =
      "<img src=x onerror=alert(1)>\n```c\nint main(void) { return 0 < 1; }\n```\nend";
  message.attachments = {{"\"><svg onload=1>", "</pre><iframe srcdoc=1>"}};
  message.model = "<b>m</b>";
  const std::string html = to_html(conversation, {message});
  for (const char* bad : {"<script", "<img", "<svg", "<iframe", "<b>m"}) {
    EXPECT_THAT(html, Not(HasSubstr(bad)));
  }
  EXPECT_THAT(html, HasSubstr("return 0 &lt; 1;"));
  EXPECT_THAT(html, Not(HasSubstr("http:")));
  EXPECT_THAT(to_markdown(conversation, {message}), HasSubstr("```c\nint main"));
}

TEST_F(ConversationsTest, ALongChatIsReadAndRemoved) {
  const std::string id = chat();
  std::vector<Message> chain(5000);
  for (size_t i = 0; i < chain.size(); ++i) {
    chain[i].id = "m" + std::to_string(i);
    chain[i].parent = i == 0 ? "" : chain[i - 1].id;
    chain[i].role = i % 2 == 0 ? "user" : "assistant";
    chain[i].content = "x";
  }
  const Conversation made = *conversations_.import_one(user_, {.id = "c"}, chain);
  EXPECT_EQ(conversations_.path(user_, chain.back().id)->size(), chain.size());
  ASSERT_TRUE(conversations_.remove_message(user_, chain[1].id));
  EXPECT_EQ(conversations_.messages(user_, made.id)->size(), 1u);
  ASSERT_TRUE(conversations_.remove(user_, made.id));
}

}  // namespace
}  // namespace jiang
