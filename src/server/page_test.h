// For tests: the page's API through real HTTP on loopback, with a model that says what the test
// wants.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/agent_source.h"
#include "server/http_server.h"
#include "server/login.h"
#include "server/page_api.h"
#include "server/scripted_models.h"
#include "server/storage_auth.h"
#include "server/test_client.h"
#include "storage/storage_test_support.h"

namespace jiang {

struct Reply {
  int status = 0;
  Json json;
  std::string head;
  std::string body;
};

class PageTest : public ::testing::Test {
 protected:
  PageTest() { start(); }
  ~PageTest() override { stop(); }

  void start() {
    storage_ = open_storage(home_);
    agents_ =
        *AgentFolder::open(home_.path() + "/agents", [this] { announcements_.tell_all("agents"); });
    runs_ = std::make_unique<Runs>(
        models_, storage_->conversations(),
        RunsOptions{.save_seconds = 0.01, .changed = [this](const auto& user, const auto& id) {
                      announcements_.tell_conversation(user, id);
                    }});
    workers_ = std::make_unique<WorkerPool>(2);
    slow_workers_ = std::make_unique<WorkerPool>(1);
    authenticator_ = std::make_unique<StorageAuthenticator>(*storage_);
    page_.reset(new PageContext{*storage_, models_, *agents_, *runs_, announcements_, *workers_,
                                *slow_workers_, host_, ChatFiles(home_.path() + "/files"), "test",
                                [this] { authenticator_->keys_changed(); }});
    auto gate = Gate::create({}, RouteTable(routes()));
    server_ = *HttpServer::create({.port = 0}, std::move(*gate), *authenticator_, *workers_);
    owner_ = log_in(storage_->users().owner()->id);
  }
  std::vector<Route> routes() {
    std::vector<Route> all = page_api_routes(*page_);
    for (Route& row : login_routes(*storage_)) all.push_back(std::move(row));
    return all;
  }
  void stop() {
    runs_->shut_down();
    announcements_.end();
    server_->stop(0, 0);
    slow_workers_.reset();
    workers_.reset();
    server_.reset();
    runs_.reset();
    agents_.reset();
    authenticator_.reset();
    page_.reset();
    storage_.reset();
  }
  // The session of a user.
  std::string log_in(const std::string& user_id) {
    const std::string token =
        *storage_->users().make_login_token(user_id, std::chrono::seconds(60));
    return storage_->users().log_in(token)->session;
  }
  std::string new_user(const std::string& name) {
    return log_in(storage_->users().create(name, Role::user)->id);
  }

  Reply call_as(std::string_view session, std::string_view method, const std::string& target,
                const Json& body = Json(), std::string headers = "") {
    headers += "content-type: application/json\r\n";
    if (!session.empty()) headers += "cookie: jiang_session=" + std::string(session) + "\r\n";
    const std::string path = target[0] == '/' ? target : "/jiang/v1/" + target;
    const TestAnswer answer =
        exchange(server_->port(),
                 request_text(method, path, headers, body.is_null() ? "" : to_string(body)));
    Reply reply{answer.status, Json(), answer.head, answer.body};
    if (auto json = parse_json(answer.body, "reply")) reply.json = *std::move(json);
    return reply;
  }
  Reply call(std::string_view method, const std::string& target, const Json& body = Json()) {
    return call_as(owner_, method, target, body);
  }

  struct Events {
    std::string text;
    std::string thoughts;
    std::vector<std::string> types;
    Json last;
    int64_t number = 0;
  };
  // All events after `after`, to the end.
  Events events_of(const std::string& run, int64_t after = 0) {
    const Reply reply = call("GET", "runs/" + run + "/events?after=" + std::to_string(after));
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_THAT(reply.head, ::testing::HasSubstr("text/event-stream"));
    Events events;
    events.number = after;
    const std::string& body = reply.body;
    for (size_t at = 0; (at = body.find("id: ", at)) != std::string::npos; ++at) {
      const size_t data = body.find("data: ", at);
      const size_t end = body.find('\n', data);
      EXPECT_EQ(std::atoll(body.c_str() + at + 4), ++events.number);
      events.last = *parse_json(body.substr(data + 6, end - data - 6), "event");
      const std::string type = events.last["type"];
      events.types.push_back(type);
      if (type == "text") events.text += events.last["text"].get<std::string>();
      if (type == "reasoning") events.thoughts += events.last["text"].get<std::string>();
    }
    return events;
  }
  std::string new_chat(const Json& body = Json::object()) {
    const Reply reply = call("POST", "conversations", body);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return reply.json["id"];
  }
  Json ask(const std::string& chat, const std::string& content, const Json& parent = Json()) {
    const Reply reply = call("POST", "conversations/" + chat + "/messages",
                             {{"parent", parent}, {"content", content}});
    EXPECT_EQ(reply.status, 201) << reply.body;
    return reply.json;
  }
  Json messages(const std::string& chat) {
    return call("GET", "conversations/" + chat).json["messages"];
  }
  // The answer's text so far, once it is at least this long.
  Json wait_for_text(const std::string& chat, size_t index, const std::string& text) {
    for (int i = 0; i < 4000; ++i) {
      const Json message = messages(chat)[index];
      if (message["content"].get<std::string>().size() >= text.size()) return message;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "no " << text;
    return Json::object();
  }

  TemporaryHome home_;
  FakeModels models_;
  Announcements announcements_;
  AgentHost host_ = {.no_sandbox = "no box"};
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<AgentFolder> agents_;
  std::unique_ptr<Runs> runs_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<WorkerPool> slow_workers_;
  std::unique_ptr<StorageAuthenticator> authenticator_;
  std::unique_ptr<PageContext> page_;
  std::unique_ptr<HttpServer> server_;
  std::string owner_;
};

}  // namespace jiang
