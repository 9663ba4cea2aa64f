// Answers: asked for, read as they are written, stopped, gone on with.
#include <charconv>
#include <map>

#include "server/answer_request.h"
#include "server/errors.h"
#include "server/page_support.h"
#include "server/request_defaults.h"

namespace jiang {
namespace {

// What decides how a conversation is answered.
struct Recipe {
  std::string model;
  std::string system;
  Json settings;  // the agent's parameters, and over them the conversation's settings
  ChatRequest request;
  std::optional<AgentSpec> agent_spec;
  std::optional<RunAgent> agent;  // when it has abilities
};

// Programs run unasked: the box is what keeps the machine safe. What leaves the machine is asked
// about, until the user says "always".
std::set<std::string> allowed_tools(const Json& settings, const std::string& agent_id) {
  std::set<std::string> allowed = {"run_c", "run_python"};
  const Json* approvals = find_member(settings, "approvals");
  const Json* of_agent = approvals ? find_member(*approvals, agent_id) : nullptr;
  if (!of_agent || !of_agent->is_object()) return allowed;
  for (const auto& [tool, answer] : of_agent->items()) {
    if (answer == "always") allowed.insert(tool);
  }
  return allowed;
}

bool has_read_web(const std::vector<Message>& path) {
  for (const Message& message : path) {
    if (!message.parts.is_array()) continue;
    for (const Json& part : message.parts) {
      if (part.is_object() && part.value("type", "") == "sources") return true;
    }
  }
  return false;
}

Result<std::string> model_for(PageContext& page, const std::string& user_id,
                              const std::string& wanted, const std::string& agents) {
  if (!wanted.empty()) return wanted;
  if (!agents.empty()) return agents;
  TRY(std::string model, chosen_model(page, user_id));
  if (model.empty()) {
    return fail(ErrorKind::not_found,
                "there is no model yet; fetch one on the models page or with `jiang pull`");
  }
  return model;
}

Result<Recipe> recipe_for(PageContext& page, const HttpRequest& request,
                          const std::string& agent_id, const std::string& model,
                          const Json& settings) {
  const std::string& user_id = request.caller.user_id;
  Recipe recipe;
  recipe.settings = Json::object();
  std::string agents_model;
  if (!agent_id.empty()) {
    const auto agent = page.agents.find(agent_id);
    if (!agent || !(is_visitor(request) || may_use_agent(page, request.caller, *agent))) {
      return fail(ErrorKind::not_found, "agent_id: the agent {} is gone", agent_id);
    }
    recipe.system = agent->instructions;
    recipe.agent_spec = *agent;
    agents_model = agent->model;
    if (agent->parameters.is_object()) recipe.settings = agent->parameters;
    if (agent->code || agent->web) {
      TRY(const Json known, page.storage.settings().get(user_id));
      recipe.agent =
          RunAgent{.spec = *agent, .host = &page.host, .allowed = allowed_tools(known, agent->id)};
    }
  }
  if (settings.is_object()) recipe.settings.merge_patch(settings);
  if (const Json* system = find_member(recipe.settings, "system")) {
    if (!system->is_string()) {
      return fail(ErrorKind::invalid_argument, "settings.system: must be a text");
    }
    if (!system->get_ref<const std::string&>().empty()) recipe.system = system->get<std::string>();
  }
  recipe.settings.erase("system");
  TRY_STATUS(apply_settings(recipe.settings, recipe.request));
  TRY(recipe.model, model_for(page, user_id, model, agents_model));
  if (!may_use_model(page, request.caller, recipe.model)) {
    return fail(ErrorKind::not_found, "there is no model {}", recipe.model);
  }
  return recipe;
}

Result<Recipe> recipe_of(PageContext& page, const HttpRequest& request,
                         const Conversation& conversation) {
  return recipe_for(page, request, conversation.agent_id, conversation.model,
                    conversation.settings);
}

AnswerPlan plan_of(const Recipe& recipe, const std::string& run) {
  return {.run = run, .model = recipe.model, .parameters = recipe.settings};
}

struct Beginning {
  std::string user_id;
  std::string conversation;
  std::string run;
  std::string new_title;
};

// The row is there; now the model is asked.
Status start_run(PageContext& page, Beginning beginning, Recipe recipe, const Message& answer) {
  RunPlan plan;
  plan.id = std::move(beginning.run);
  plan.user_id = beginning.user_id;
  plan.conversation = std::move(beginning.conversation);
  plan.answer = answer;
  plan.model = std::move(recipe.model);
  plan.new_title = std::move(beginning.new_title);
  plan.request = std::move(recipe.request);
  plan.settings = std::move(recipe.settings);
  TRY(auto path, page.storage.conversations().path(beginning.user_id, answer.id));
  const bool continues = !answer.content.empty();
  if (!continues) path.pop_back();
  plan.request.messages = messages_of_path(path, recipe.system);
  plan.request.continues_last = continues;
  plan.prompt_hash = prompt_hash(plan.request.messages);
  plan.agent = std::move(recipe.agent);
  if (plan.agent) {
    plan.agent->folder = page.files.folder(plan.conversation);
    plan.agent->files_url = ChatFiles::url(plan.conversation);
    plan.agent->has_untrusted_text = has_read_web(path);
  }
  page.runs.start(std::move(plan));
  return ok();
}

Result<Question> question_from(const HttpRequest& request, const Json& body) {
  Question question;
  TRY(const auto parent, optional_text(body, "parent"));
  TRY(const auto content, optional_text(body, "content"));
  question.parent = parent.value_or("");
  question.content = content.value_or("");
  question.request_key = request.header("idempotency-key");
  if (const Json* attachments = find_member(body, "attachments")) {
    if (!attachments->is_array()) {
      return fail(ErrorKind::invalid_argument, "attachments: must be a list");
    }
    for (const Json& attachment : *attachments) {
      if (!attachment.is_object()) {
        return fail(ErrorKind::invalid_argument, "attachments: must be objects");
      }
      Attachment made;
      TRY(made.name, required_text(attachment, "name"));
      TRY(made.text, required_text(attachment, "text"));
      question.attachments.push_back(std::move(made));
    }
  }
  return question;
}

Result<HttpResponse> ask(PageContext& page, const HttpRequest& request) {
  const std::string& user = request.caller.user_id;
  const std::string& id = request.params[0];
  TRY(const Json body, body_object(request, {"parent", "content", "attachments"}));
  TRY(Question question, question_from(request, body));
  TRY_STATUS(page.runs.may_start(user));
  TRY(const Conversation conversation, page.storage.conversations().find(user, id));
  TRY(Recipe recipe, recipe_of(page, request, conversation));
  Beginning beginning{.user_id = user, .conversation = id, .run = Runs::new_id(), .new_title = {}};
  const std::string title = conversation.title.empty() ? title_of(question.content) : "";
  TRY(const Asked asked, page.storage.conversations().ask(user, id, std::move(question),
                                                          plan_of(recipe, beginning.run)));
  const Json answer = {{"message", to_json(asked.question)},
                       {"answer", to_json(asked.answer)},
                       {"run", asked.answer.run.empty() ? Json() : Json(asked.answer.run)}};
  if (asked.repeated) return json_response(answer);
  if (!title.empty()) {
    TRY(const bool is_new, page.storage.conversations().set_first_title(id, title));
    if (is_new) beginning.new_title = title;
  }
  TRY_STATUS(start_run(page, std::move(beginning), std::move(recipe), asked.answer));
  return json_response(answer, 201);
}

Result<HttpResponse> answer_again(PageContext& page, const HttpRequest& request) {
  const std::string& user = request.caller.user_id;
  const std::string& id = request.params[0];
  TRY(const Json body, body_object(request, {"parent"}));
  TRY(const std::string parent, required_text(body, "parent"));
  TRY_STATUS(page.runs.may_start(user));
  TRY(const Conversation conversation, page.storage.conversations().find(user, id));
  TRY(Recipe recipe, recipe_of(page, request, conversation));
  Beginning beginning{.user_id = user, .conversation = id, .run = Runs::new_id(), .new_title = {}};
  TRY(const Message answer,
      page.storage.conversations().answer_again(user, id, parent, plan_of(recipe, beginning.run)));
  TRY_STATUS(start_run(page, beginning, std::move(recipe), answer));
  return json_response({{"answer", to_json(answer)}, {"run", beginning.run}}, 201);
}

Result<HttpResponse> go_on(PageContext& page, const HttpRequest& request) {
  const std::string& user = request.caller.user_id;
  const std::string& id = request.params[0];
  TRY(const Json body, body_object(request, {"message"}));
  TRY(const std::string message, required_text(body, "message"));
  TRY_STATUS(page.runs.may_start(user));
  TRY(const Conversation conversation, page.storage.conversations().find(user, id));
  TRY(Recipe recipe, recipe_of(page, request, conversation));
  Beginning beginning{.user_id = user, .conversation = id, .run = Runs::new_id(), .new_title = {}};
  TRY(const Message answer, page.storage.conversations().continue_answer(
                                user, id, message, plan_of(recipe, beginning.run)));
  TRY_STATUS(start_run(page, beginning, std::move(recipe), answer));
  return json_response({{"answer", to_json(answer)}, {"run", beginning.run}}, 201);
}

// [{role, content}] of a page that keeps its chat to itself.
Result<Json> messages_from(const Json& body) {
  const Json* messages = find_member(body, "messages");
  if (!messages || !messages->is_array() || messages->empty()) {
    return fail(ErrorKind::invalid_argument, "messages: must be a list that is not empty");
  }
  std::vector<Message> path;
  for (const Json& one : *messages) {
    if (!one.is_object()) {
      return fail(ErrorKind::invalid_argument, "messages: must be objects");
    }
    Message message;
    TRY(message.role, required_text(one, "role"));
    TRY(message.content, required_text(one, "content"));
    if (message.role != "user" && message.role != "assistant" && message.role != "system") {
      return fail(ErrorKind::invalid_argument, "messages: role must be user, assistant or system");
    }
    path.push_back(std::move(message));
  }
  if (path.back().role != "user") {
    return fail(ErrorKind::invalid_argument, "messages: the last must be a user's");
  }
  return messages_of_path(path, "");
}

struct FreeRequest {
  Recipe recipe;
  Json messages;
};

Result<FreeRequest> free_request(PageContext& page, const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"messages", "agent_id", "model", "settings"}));
  TRY(Json messages, messages_from(body));
  TRY(const auto agent, optional_text(body, "agent_id"));
  TRY(const auto model, optional_text(body, "model"));
  const Json* settings = find_member(body, "settings");
  std::string agent_id = agent.value_or("");
  if (is_visitor(request)) {
    TRY(const Share share, share_of_visitor(page, request));
    if (share.kind != Share::Kind::agent || (!agent_id.empty() && agent_id != share.id)) {
      return fail(ErrorKind::not_found, "there is no agent {}", agent_id);
    }
    agent_id = share.id;
    settings = nullptr;
  }
  FreeRequest made;
  TRY(made.recipe,
      recipe_for(page, request, agent_id, is_visitor(request) ? "" : model.value_or(""),
                 settings ? *settings : Json()));
  // The agent's words come first; those of the page's own messages stay behind them.
  if (!made.recipe.system.empty()) {
    if (messages.front()["role"] == "system") messages.erase(messages.begin());
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", made.recipe.system}});
  }
  made.messages = std::move(messages);
  return made;
}

Result<HttpResponse> temporary(PageContext& page, const HttpRequest& request) {
  TRY_STATUS(page.runs.may_start(request.caller.user_id));
  TRY(FreeRequest made, free_request(page, request));
  RunPlan plan;
  plan.id = Runs::new_id();
  plan.user_id = request.caller.user_id;
  plan.answer.role = "assistant";
  plan.answer.parts = Json::array();
  plan.answer.model = made.recipe.model;
  plan.model = made.recipe.model;
  plan.request = std::move(made.recipe.request);
  plan.settings = std::move(made.recipe.settings);
  plan.request.messages = std::move(made.messages);
  plan.agent = std::move(made.recipe.agent);
  const Json answer = {{"run", plan.id}};
  page.runs.start(std::move(plan));
  return json_response(answer, 201);
}

// The exact prompt, for the workbench. Loads the model when it is not loaded.
Result<HttpResponse> show_prompt(PageContext& page, const HttpRequest& request) {
  TRY(FreeRequest made, free_request(page, request));
  if (made.recipe.agent_spec && !may_read_agent(request, *made.recipe.agent_spec)) {
    return fail(ErrorKind::invalid_argument, "agent_id: this agent's prompt is its owner's to see");
  }
  TRY(const ModelLease lease, page.models.acquire(made.recipe.model));
  const ChatModel* chat = lease->chat_model();
  if (!chat) {
    return fail(ErrorKind::unsupported, "model: the prompt of a remote model is not known here");
  }
  made.recipe.request.messages = std::move(made.messages);
  add_prompt_defaults(lease->defaults(), made.recipe.request);
  Json extra = Json::object();
  if (made.recipe.request.thinking) extra["enable_thinking"] = *made.recipe.request.thinking;
  TRY(const auto segments, chat->render(made.recipe.request.messages, Json(), true, extra));
  Json shown_segments = Json::array();
  for (const PromptSegment& segment : segments) {
    shown_segments.push_back({{"text", segment.text}, {"from_template", segment.from_template}});
  }
  Json tokens = Json::array();
  for (const TokenId id : chat->encode(segments)) {
    tokens.push_back({{"id", id}, {"text", chat->tokenizer().token_bytes(id)}});
  }
  const size_t count = tokens.size();
  return json_response(
      {{"segments", std::move(shown_segments)}, {"tokens", std::move(tokens)}, {"count", count}});
}

void serve_run(PageContext& page, const RequestPtr& request, const ResponderPtr& responder) {
  const EventLogPtr log = page.runs.events(request->params[0], request->caller.user_id);
  if (!log) {
    return responder->send(error_response(
        ApiDialect::jiang, {.status = 404,
                            .message = "this run is over and forgotten; the conversation has it",
                            .code = "run_gone"}));
  }
  EventReaderOptions options;
  // Last-Event-ID is what an EventSource sends when it comes back by itself.
  std::string after = request->query_value("after").value_or("");
  if (after.empty()) after = request->header("last-event-id");
  if (!after.empty()) {
    const char* end = after.data() + after.size();
    if (std::from_chars(after.data(), end, options.after).ptr != end || options.after < 0) {
      return responder->send(
          page_error(fail(ErrorKind::invalid_argument, "after: must be the number of an event")));
    }
  }
  options.on_worker = [&page](std::function<void()> work) { page.workers.post(std::move(work)); };
  options.is_still_allowed = still_allowed(page, *request);
  serve_events(log, responder, std::move(options));
}

Result<HttpResponse> stop(PageContext& page, const HttpRequest& request) {
  if (!page.runs.stop(request.params[0], request.caller.user_id)) {
    return fail(ErrorKind::not_found, "there is no such run");
  }
  return no_content();
}

Result<HttpResponse> approve(PageContext& page, const HttpRequest& request) {
  const std::string& user = request.caller.user_id;
  TRY(const Json body, body_object(request, {"answer"}));
  TRY(const std::string text, required_text(body, "answer"));
  const std::map<std::string, Approval> answers = {
      {"once", Approval::once}, {"always", Approval::always}, {"deny", Approval::deny}};
  const auto answer = answers.find(text);
  if (answer == answers.end()) {
    return fail(ErrorKind::invalid_argument, "answer: must be once, always or deny");
  }
  const auto approved =
      page.runs.approve(request.params[0], user, request.params[1], answer->second);
  if (!approved) return fail(ErrorKind::not_found, "nothing waits for this answer");
  if (answer->second == Approval::always) {
    TRY_STATUS(page.storage.settings().merge(
        user, {{"approvals", {{approved->agent_id, {{approved->tool, "always"}}}}}}));
  }
  return no_content();
}

}  // namespace

void add_run_routes(std::vector<Route>& routes, PageContext& page) {
  add_page_rows(routes, page,
                {
                    {"POST", "conversations/{id}/messages", Access::visitor, ask},
                    {"POST", "conversations/{id}/answers", Access::visitor, answer_again},
                    {"POST", "conversations/{id}/continue", Access::visitor, go_on},
                    {"POST", "temporary", Access::visitor, temporary},
                    {"POST", "runs/{id}/stop", Access::visitor, stop},
                    {"POST", "runs/{id}/approvals/{approval}", Access::visitor, approve},
                });
  routes.push_back(page_slow_route(page, "POST", "prompt", Access::user,
                                   [&page](const HttpRequest& r) { return show_prompt(page, r); }));
  routes.push_back(
      page_stream_route("runs/{id}/events", Access::visitor,
                        [&page](const RequestPtr& request, const ResponderPtr& responder) {
                          serve_run(page, request, responder);
                        }));
}

}  // namespace jiang
