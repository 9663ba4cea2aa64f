#include "server/native.h"

#include "base/json_value.h"
#include "server/answer.h"
#include "server/fields.h"
#include "server/routes.h"

namespace jiang {
namespace {

struct TokenizeBody {
  std::string model = {};
  std::string content = {};
  bool add_special = false;
  bool with_pieces = false;
  void fields(Fields& f) {
    f.text("model", model);
    f.text("content", content);
    f.flag("add_special", add_special);
    f.flag("with_pieces", with_pieces);
  }
};

struct DetokenizeBody {
  std::string model = {};
  Json tokens = {};
  void fields(Fields& f) {
    f.text("model", model);
    f.list("tokens", tokens);
  }
};

// Answers by itself where the model is a remote one.
const Tokenizer* tokenizer_of(const ModelLease& lease, const ResponderPtr& responder) {
  if (lease->chat_model() != nullptr) return &lease->chat_model()->tokenizer();
  responder->send(error_response(
      ApiDialect::openai,
      bad_request("'" + lease->name() + "' is a remote model: its tokens are not known here",
                  "model", "unsupported")));
  return nullptr;
}

void tokenize(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  TokenizeBody body;
  HeaderList headers;
  if (const auto error = read_body(*request, body, headers))
    return responder->send(error_response(ApiDialect::openai, *error));
  const std::string model = body.model;
  with_model(context, request->caller, responder, ApiDialect::openai, {model},
             [responder, body = std::move(body), headers](const ModelLease& lease) {
               const Tokenizer* tokenizer = tokenizer_of(lease, responder);
               if (tokenizer == nullptr) return;
               Json tokens = Json::array();
               const EncodeOptions options{.add_specials = body.add_special};
               for (const TokenId id : tokenizer->encode(body.content, options)) {
                 if (body.with_pieces) {
                   tokens.push_back({{"id", id}, {"piece", tokenizer->token_bytes(id)}});
                 } else {
                   tokens.push_back(id);
                 }
               }
               const Json out = {{"tokens", std::move(tokens)}};
               responder->send({.body = to_string(out), .headers = headers});
             });
}

void detokenize(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  DetokenizeBody body;
  HeaderList headers;
  auto error = read_body(*request, body, headers);
  if (!error && body.tokens.is_null()) error = bad_request("tokens is missing", "tokens");
  std::vector<TokenId> ids;
  for (size_t i = 0; !error && i < body.tokens.size(); ++i) {
    const Json& id = body.tokens[i];
    const int64_t number = id.is_number_integer() ? id.get<int64_t>() : -1;
    if (number < 0 || number > INT32_MAX)
      error = bad_request("tokens must be a list of token ids", "tokens", "invalid_value");
    ids.push_back(static_cast<TokenId>(number));
  }
  if (error) return responder->send(error_response(ApiDialect::openai, *error));
  with_model(context, request->caller, responder, ApiDialect::openai, {body.model},
             [responder, ids = std::move(ids), headers](const ModelLease& lease) {
               const Tokenizer* tokenizer = tokenizer_of(lease, responder);
               if (tokenizer == nullptr) return;
               const Json out = {{"content", tokenizer->decode(ids, true)}};
               responder->send({.body = to_string(out), .headers = headers});
             });
}

// No step takes so long, not even where the machine swaps: whoever watches us may start us anew.
constexpr double kStuckSeconds = 120;

HttpResponse ready(const ServerContext& context) {
  bool is_ready = !context.models.default_model().empty();
  Json body = {{"status", is_ready ? "ready" : "no model"}};
  if (!is_ready) body["hint"] = "install one with 'jiang pull', or start 'jiang serve MODEL'";
  for (const ModelStatus& model : context.models.list()) {
    if (model.stats.seconds_in_step < kStuckSeconds) continue;
    body = {{"status", "stuck"},
            {"hint", fmt::format("a step of {} has taken {:.0f} s; restart the server", model.name,
                                 model.stats.seconds_in_step)}};
    is_ready = false;
  }
  return {.status = is_ready ? 200 : 503, .body = to_string(body)};
}

HttpResponse slots(const ServerContext& context) {
  Json models = Json::array();
  for (const ModelStatus& model : context.models.list()) {
    if (!model.loaded && !model.loading) continue;
    models.push_back({{"model", model.name},
                      {"loading", model.loading},
                      {"running", model.stats.running},
                      {"waiting", model.stats.waiting},
                      {"queued", context.admissions.of(model.name)->n_waiting()},
                      {"free_state_tokens", model.stats.free_state_tokens},
                      {"memory_bytes", model.memory_bytes}});
  }
  const Json body = {{"active", context.metrics.active.load()}, {"models", std::move(models)}};
  return {.body = to_string(body)};
}

}  // namespace

std::vector<Route> native_routes(ServerContext& context) {
  const auto health = [](const HttpRequest&) {
    return HttpResponse{.body = "{\"status\":\"ok\"}"};
  };
  const auto metrics = [&context](const HttpRequest&) {
    const HttpCounters http = context.http_counters ? context.http_counters() : HttpCounters{};
    return HttpResponse{.body = prometheus_text(context.metrics, http, context.models,
                                                context.admissions.n_waiting()),
                        .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  };
  using Where = Route::Where;
  const ApiDialect dialect = ApiDialect::openai;
  return {
      {"GET", "/health", Access::open, answer_with(health), dialect, Where::io_thread},
      {"GET", "/ready", Access::open,
       answer_with([&context](const HttpRequest&) { return ready(context); }), dialect},
      {"GET", "/metrics", Access::manage, answer_with(metrics), dialect},
      {"GET", "/slots", Access::manage,
       answer_with([&context](const HttpRequest&) { return slots(context); }), dialect},
      model_route(context, "/tokenize", dialect, tokenize),
      model_route(context, "/detokenize", dialect, detokenize),
  };
}

}  // namespace jiang
