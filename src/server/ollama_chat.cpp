// POST /api/chat and /api/generate
#include "base/json_value.h"
#include "server/answer.h"
#include "server/fields.h"
#include "server/ollama.h"
#include "server/ollama_answer.h"
#include "server/ollama_request.h"
#include "server/openai_request.h"
#include "server/routes.h"

namespace jiang {
namespace {

struct CommonBody {
  std::string model = {};
  Json options = {};
  Json format = {};
  Json think = {};
  Json keep_alive = {};
  bool stream = true;

  void common(Fields& f) {
    f.text("model", model);
    f.object("options", options);
    f.json("format", format);
    f.json("think", think);
    f.json("keep_alive", keep_alive);
    f.flag("stream", stream);
    f.unsupported("logprobs");
    f.unsupported("top_logprobs", 0);
    f.unsupported("truncate");  // prompts are never cut; false asks for just that
    f.unsupported("shift");
  }
};

struct OllamaChatBody : CommonBody {
  Json messages = {};
  Json tools = {};
  void fields(Fields& f) {
    common(f);
    f.list("messages", messages);
    f.list("tools", tools);
  }
};

struct GenerateBody : CommonBody {
  std::string prompt = {};
  std::string system = {};
  bool raw = false;
  void fields(Fields& f) {
    common(f);
    f.text("prompt", prompt);
    f.text("system", system);
    f.flag("raw", raw);
    f.unsupported("suffix");
    f.unsupported("images");
    f.unsupported("template");
    f.unsupported("context");
  }
};

// A longer context than the model runs with would cut what the client thinks is kept.
std::optional<ApiError> check_context(LoadedModelEntry& model, int64_t wanted) {
  const int32_t context = model.backend().capabilities().context;
  if (context <= 0 || wanted <= context) return std::nullopt;
  return bad_request(
      fmt::format("options.num_ctx is {}, and this model runs with {}", wanted, context),
      "options.num_ctx", "unsupported");
}

// An empty request loads the model, or with keep_alive 0 lets it go.
void load_only(ServerContext& context, const Caller& caller, const ResponderPtr& responder,
               const CommonBody& body, OllamaAnswer kind) {
  const auto refuse = [&](const ApiError& error) {
    responder->send(error_response(ApiDialect::ollama, error));
  };
  WantedModel wanted{.name = body.model};
  if (const auto error = read_keep_alive(body.keep_alive, wanted.keep_alive)) return refuse(*error);
  if (wanted.keep_alive && wanted.keep_alive->count() == 0) {
    const auto unloaded = context.models.unload(body.model);
    if (!unloaded) return refuse(api_error(unloaded.error()));
    return responder->send(ollama_load_answer(kind, body.model, "unload"));
  }
  with_model(context, caller, responder, ApiDialect::ollama, wanted,
             [responder, kind, model = body.model](const ModelLease&) {
               responder->send(ollama_load_answer(kind, model, "load"));
             });
}

// Fills what chat and generate share; then answers.
void answer_ollama(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder,
                   const CommonBody& body, ChatRequest chat, OllamaAnswer kind,
                   HeaderList headers) {
  AnswerJob job;
  OllamaOptions options;
  std::vector<std::string> ignored;
  std::optional<ApiError> error;
  if (body.options.is_object()) error = read_fields(body.options, options, "options.", &ignored);
  if (!error) error = read_keep_alive(body.keep_alive, job.keep_alive);
  if (!error) error = read_ollama_format(body.format, chat.format);
  if (!error) error = read_think(body.think, chat.thinking);
  if (error) return responder->send(error_response(ApiDialect::ollama, *error));
  add_ignored(ignored, headers);
  // -1: without end; -2: until the context is full, which is where both end.
  if (options.num_predict)
    chat.max_tokens =
        *options.num_predict < 0 ? INT32_MAX : static_cast<int32_t>(*options.num_predict);
  job.sampling = std::move(options.sampling);
  job.model = body.model;
  job.requests.push_back(std::move(chat));
  job.is_stream = body.stream;
  job.headers = std::move(headers);
  job.format = make_ollama_format(kind);
  if (options.num_ctx) {
    job.prepare = [wanted = *options.num_ctx](LoadedModelEntry& model, std::vector<ChatRequest>&) {
      return check_context(model, wanted);
    };
  }
  answer(context, request, responder, std::move(job));
}

void chat(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  OllamaChatBody body;
  HeaderList headers;
  auto error = read_body(*request, body, headers);
  if (!error && body.messages.empty())
    return load_only(context, request->caller, responder, body, OllamaAnswer::chat);
  if (!error) error = convert_ollama_messages(body.messages);
  if (!error) error = check_tools(body.tools);
  if (error) return responder->send(error_response(ApiDialect::ollama, *error));
  ChatRequest chat_request;
  chat_request.messages = std::move(body.messages);
  if (!body.tools.empty()) chat_request.tools = std::move(body.tools);
  // An assistant's last message is gone on with, as Ollama does.
  const Json& last = chat_request.messages.back();
  chat_request.continues_last =
      last["role"] == "assistant" && find_member(last, "tool_calls") == nullptr;
  answer_ollama(context, request, responder, body, std::move(chat_request), OllamaAnswer::chat,
                std::move(headers));
}

void generate(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  GenerateBody body;
  HeaderList headers;
  const auto error = read_body(*request, body, headers);
  if (error) return responder->send(error_response(ApiDialect::ollama, *error));
  if (body.prompt.empty())
    return load_only(context, request->caller, responder, body, OllamaAnswer::generate);
  ChatRequest chat_request;
  if (body.raw) {
    chat_request.raw_text = body.prompt;
  } else {
    chat_request.messages = Json::array();
    if (!body.system.empty())
      chat_request.messages.push_back({{"role", "system"}, {"content", body.system}});
    chat_request.messages.push_back({{"role", "user"}, {"content", body.prompt}});
  }
  answer_ollama(context, request, responder, body, std::move(chat_request), OllamaAnswer::generate,
                std::move(headers));
}

}  // namespace

std::vector<Route> ollama_chat_routes(ServerContext& context) {
  return {answer_route(context, "/api/chat", ApiDialect::ollama, chat),
          answer_route(context, "/api/generate", ApiDialect::ollama, generate)};
}

}  // namespace jiang
