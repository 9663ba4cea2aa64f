// Ollama's store routes and the page's catalogue and pulls, over real HTTP, a real store, and a hub
// that lists one file and sends what the test lets it.
#include "server/store_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http_client.h"
#include "base/sha256.h"
#include "install/create.h"
#include "server/test_server.h"
#include "tests/support/loopback_server.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace jiang {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class StoreRoutes : public testing::Test {
 protected:
  StoreRoutes()
      : hub_([](const std::string& request) -> LoopbackServer::Answer {
          if (request.find("/repo/files") == std::string::npos) return {"", true};
          if (request.find("absent") != std::string::npos)
            return {http_answer("404 Not Found", "{}")};
          return {http_answer("200 OK",
                              R"({"Data":{"Files":[{"Path":"m.gguf","Type":"blob","Size":100,)"
                              R"("Sha256":")" +
                                  std::string(64, 'a') + R"(","Revision":"r"}]}})")};
        }),
        models_(ModelManager::create({.threads = 1, .home = home_.path()}).value()) {
    ::setenv("no_proxy", "*", 1);
    HubSettings settings;
    settings.modelscope = hub_.url("");
    settings.first = Hub::modelscope;
    auto catalogue = parse_catalogue(
        "[\"small:1b\"]\ntitle = \"Small\"\nmodelscope = \"o/small\"\nhuggingface = \"o/small\"\n"
        "parameters = 1000000000\nlicence = \"mit\"\ntype = \"q4_k_m\"\n",
        "test");
    pulls_ =
        std::make_unique<PullManager>(*HttpClient::create(), settings, Store(home_.path()),
                                      catalogue ? *catalogue : Catalogue(), PullManager::Options{});
    service_ = std::make_unique<StoreService>(StoreService{Store(home_.path()), *pulls_});
    ServerOptions options;
    options.http.port = 0;
    server_ = Server::start(options, *models_, authenticator_, [this](ServerContext& context) {
                return store_routes(context, *service_);
              }).value();
  }

  void install(const std::string& name, const char* fixture = "qwen2") {
    const std::string path = home_.path() + "/given.gguf";
    write_gguf(make_tiny_model(fixture), path);
    const auto made = create_model(service_->store, name, {.from = path, .settings = {}});
    ASSERT_TRUE(made) << made.error().message;
  }
  TestAnswer ask(const char* method, const std::string& path, const Json& body = Json()) {
    return exchange(server_->port(),
                    request_text(method, path, "", body.is_null() ? "" : to_string(body)));
  }
  // Of the store: a model that came with the program has no digest.
  Json tags() {
    const Json answer = json_of(ask("GET", "/api/tags"));
    Json stored = Json::array();
    for (const Json& model : answer["models"]) {
      if (model["digest"] != "") stored.push_back(model);
    }
    return stored;
  }
  std::vector<std::string> names() {
    const Json stored = tags();
    std::vector<std::string> out;
    for (const Json& model : stored) out.push_back(model["name"]);
    return out;
  }

  TempFolder home_;
  LoopbackServer hub_;
  FakeAuthenticator authenticator_;
  std::unique_ptr<ModelManager> models_;
  std::unique_ptr<PullManager> pulls_;
  std::unique_ptr<StoreService> service_;
  std::unique_ptr<Server> server_;
};

TEST_F(StoreRoutes, ListsShowsCopiesCreatesAndDeletes) {
  install("tiny");
  const Json listed = tags();
  ASSERT_EQ(listed.size(), 1u) << listed;
  EXPECT_GT(listed[0]["size"], 1000);
  EXPECT_EQ(listed[0]["digest"].get<std::string>().size(), 64u);
  EXPECT_THAT(listed[0]["modified_at"].get<std::string>(), HasSubstr("20"));

  const Json shown = json_of(ask("POST", "/api/show", {{"name", "tiny"}}));
  EXPECT_EQ(shown["capabilities"], Json::array({"completion"})) << shown;
  EXPECT_EQ(shown["model_info"]["general.architecture"], "qwen2");
  EXPECT_GT(shown["model_info"]["general.parameter_count"], 1000);
  EXPECT_GT(shown["model_info"]["qwen2.context_length"], 0);
  EXPECT_THAT(shown["modelfile"].get<std::string>(), HasSubstr("FROM "));

  EXPECT_EQ(ask("POST", "/api/copy", {{"source", "tiny"}, {"destination", "twin"}}).status, 200);
  const Json made = {
      {"model", "brief"},          {"from", "tiny"},
      {"system", "Be brief."},     {"parameters", {{"temperature", 0.5}, {"stop", {"a", "b"}}}},
      {"license", {"one", "two"}}, {"messages", {{{"role", "user"}, {"content", "hi"}}}}};
  const auto created = ask("POST", "/api/create", made);
  EXPECT_THAT(created.body, HasSubstr("{\"status\":\"success\"}\n")) << created.body;
  EXPECT_THAT(names(), ElementsAre("brief", "tiny", "twin"));
  const Json brief = json_of(ask("POST", "/api/show", {{"model", "brief:latest"}}));
  EXPECT_EQ(brief["system"], "Be brief.") << brief;
  EXPECT_EQ(brief["license"], "one\ntwo");
  EXPECT_THAT(brief["parameters"].get<std::string>(), HasSubstr("\"a\""));
  EXPECT_THAT(brief["modelfile"].get<std::string>(), HasSubstr("MESSAGE user"));

  EXPECT_EQ(ask("DELETE", "/api/delete", {{"name", "twin"}}).status, 200);
  EXPECT_EQ(ask("DELETE", "/api/delete", {{"model", "brief"}}).status, 200);
  EXPECT_THAT(names(), ElementsAre("tiny"));
}

TEST_F(StoreRoutes, RefusesWhatIsNotThereOrNotMeant) {
  install("tiny");
  struct Case {
    const char* method;
    const char* path;
    Json body;
    int status;
    const char* says;
  };
  const std::string secret = home_.path() + "/given.gguf";
  const std::vector<Case> cases = {
      {"POST", "/api/show", {{"model", "absent"}}, 404, "'absent' not found"},
      {"POST", "/api/show", Json::object(), 400, "model is missing"},
      {"DELETE", "/api/delete", {{"model", "absent"}}, 404, "'absent' not found"},
      {"POST", "/api/copy", {{"source", "absent"}, {"destination", "x"}}, 404, "absent"},
      {"POST", "/api/copy", {{"source", "tiny"}, {"destination", "../x"}}, 400, "../x"},
      {"POST", "/api/create", {{"model", "x"}}, 400, "from is missing"},
      // A path would let any client read any file of ours.
      {"POST", "/api/create", {{"model", "x"}, {"from", secret}}, 404, "not found"},
      {"POST",
       "/api/create",
       {{"model", "x"}, {"from", "tiny"}, {"quantize", "q4_0"}},
       400,
       "quantize"},
      {"POST",
       "/api/create",
       {{"model", "x"}, {"from", "tiny"}, {"parameters", {{"heat", 1}}}},
       400,
       "heat"},
      {"POST", "/api/pull", Json::object(), 400, "model is missing"},
      {"POST", "/api/pull", {{"model", "not a name"}}, 400, "not a name"},
      {"POST", "/api/pull", {{"model", "ms:o/m"}, {"insecure", true}}, 400, "insecure"},
      {"POST", "/api/push", {{"model", "tiny"}}, 501, "no registry"},
  };
  for (const Case& one : cases) {
    const auto answer = ask(one.method, one.path, one.body);
    EXPECT_EQ(answer.status, one.status) << one.path << one.body << answer.body;
    EXPECT_THAT(json_of(answer).value("error", ""), HasSubstr(one.says)) << one.path;
  }
  EXPECT_THAT(names(), ElementsAre("tiny"));
}

TEST_F(StoreRoutes, ALoadedModelIsListedByPsAndGoesWhenDeleted) {
  install("tiny");
  ASSERT_TRUE(models_->acquire("tiny", std::chrono::seconds(-1)));
  const Json loaded = json_of(ask("GET", "/api/ps"))["models"];
  ASSERT_EQ(loaded.size(), 1u) << loaded;
  EXPECT_EQ(loaded[0]["name"], "tiny");
  EXPECT_GT(loaded[0]["size"], 1000);
  EXPECT_GT(loaded[0]["context_length"], 0);
  EXPECT_EQ(ask("DELETE", "/api/delete", {{"model", "tiny"}}).status, 200);
  EXPECT_TRUE(json_of(ask("GET", "/api/ps"))["models"].empty());
  EXPECT_EQ(json_of(ask("GET", "/api/version"))["version"], "dev");
}

TEST_F(StoreRoutes, APullIsToldLineByLineAndStopsWithItsLastClient) {
  TestSocket client(server_->port());
  client.send_all(request_text("POST", "/api/pull", "", R"({"model":"ms:o/m"})"));
  ASSERT_TRUE(client.read_until("\"total\":100")) << client.received;
  EXPECT_THAT(client.received, HasSubstr("application/x-ndjson"));
  EXPECT_THAT(client.received, HasSubstr("{\"status\":\"pulling manifest\"}\n"));
  EXPECT_THAT(client.received, HasSubstr("\"digest\":\"sha256:aaaa"));
  const std::string id = pulls_->list().at(0).id;
  client.hang_up();
  for (int i = 0; i < 20000 && pulls_->status(id)->state == PullManager::State::running; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(pulls_->status(id)->state, PullManager::State::failed) << "nobody waits for it";
}

TEST_F(StoreRoutes, APullThatFailsSaysWhy) {
  const auto streamed = ask("POST", "/api/pull", {{"name", "ms:o/absent"}});
  EXPECT_THAT(streamed.body, HasSubstr("{\"error\":\"")) << streamed.body;
  const auto whole = ask("POST", "/api/pull", {{"name", "ms:o/absent"}, {"stream", false}});
  EXPECT_THAT(json_of(whole).value("error", ""), HasSubstr("absent")) << whole.body;
}

TEST_F(StoreRoutes, ThePageFollowsAPullThatGoesOnWithoutIt) {
  const auto begun = ask("POST", "/jiang/v1/pulls", {{"name", "ms:o/m"}});
  ASSERT_EQ(begun.status, 201) << begun.body;
  const std::string id = json_of(begun)["pull"];
  TestSocket page(server_->port());
  page.send_all(request_text("GET", "/jiang/v1/pulls/" + id + "/events"));
  ASSERT_TRUE(page.read_until("\"phase\":\"fetching\"")) << page.received;
  EXPECT_THAT(page.received, HasSubstr("text/event-stream"));
  page.hang_up();
  const Json listed = json_of(ask("GET", "/jiang/v1/pulls"))["items"];
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["id"], id);
  EXPECT_EQ(listed[0]["total"], 100);

  TestSocket again(server_->port());
  again.send_all(request_text("GET", "/jiang/v1/pulls/" + id + "/events"));
  ASSERT_TRUE(again.read_until("\"phase\":\"fetching\""));
  EXPECT_EQ(ask("DELETE", "/jiang/v1/pulls/" + id).status, 204);
  EXPECT_TRUE(again.read_until("\"type\":\"error\"")) << again.received;
  EXPECT_EQ(ask("DELETE", "/jiang/v1/pulls/none").status, 404);
  EXPECT_EQ(ask("GET", "/jiang/v1/pulls/none/events").status, 404);
  EXPECT_EQ(ask("POST", "/jiang/v1/pulls", {{"name", "no name"}}).status, 400);
}

TEST_F(StoreRoutes, TheCatalogueSaysWhatFits) {
  const Json items = json_of(ask("GET", "/jiang/v1/catalogue"))["items"];
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0]["name"], "small:1b");
  EXPECT_EQ(items[0]["installed"], false);
  EXPECT_GT(items[0]["memory_needed"], 100'000'000);
}

}  // namespace
}  // namespace jiang
