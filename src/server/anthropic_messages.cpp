// POST /v1/messages and /v1/messages/count_tokens. Models are on OpenAI's path: /v1/models.
#include "base/json_value.h"
#include "server/answer.h"
#include "server/anthropic.h"
#include "server/anthropic_answer.h"
#include "server/anthropic_request.h"
#include "server/request_defaults.h"
#include "server/routes.h"

namespace jiang {
namespace {

void messages(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  AnthropicBody body;
  AnswerJob job;
  ChatRequest chat;
  std::vector<std::string> ignored;
  Json object;
  auto error = parse_object(*request, object);
  if (!error) error = read_fields(object, body, {}, &ignored);
  if (!error) error = read_anthropic_body(body, chat, ignored);
  if (error) return responder->send(error_response(ApiDialect::anthropic, *error));
  add_ignored(ignored, job.headers);
  job.headers.emplace_back("request-id", request->id);
  job.model = body.model;
  job.is_stream = body.stream;
  job.requests.push_back(std::move(chat));
  job.sampling = body.sampling();
  // The first event tells the prompt's tokens.
  const auto prompt_tokens = std::make_shared<std::atomic<int32_t>>(0);
  job.prepare = [prompt_tokens](LoadedModelEntry& model, std::vector<ChatRequest>& requests) {
    if (const auto n = model.backend().count_tokens(requests[0])) *prompt_tokens = *n;
    return std::optional<ApiError>();
  };
  job.format = make_anthropic_format(prompt_tokens);
  answer(context, request, responder, std::move(job));
}

void count_tokens(ServerContext& context, const RequestPtr& request,
                  const ResponderPtr& responder) {
  AnthropicPrompt body;
  ChatRequest chat;
  HeaderList headers;
  std::vector<std::string> ignored;
  Json object;
  auto error = parse_object(*request, object);
  if (!error) error = read_fields(object, body, {}, &ignored);
  if (!error) error = read_anthropic_prompt(body, chat, ignored);
  if (error) return responder->send(error_response(ApiDialect::anthropic, *error));
  add_ignored(ignored, headers);
  with_model(
      context, request->caller, responder, ApiDialect::anthropic, {.name = body.model},
      [responder, headers, chat = std::move(chat)](const ModelLease& lease) mutable {
        add_prompt_defaults(lease->defaults(), chat);
        const auto n = lease->backend().count_tokens(chat);
        if (!n) return responder->send(error_response(ApiDialect::anthropic, api_error(n.error())));
        responder->send({.body = to_string(Json{{"input_tokens", *n}}), .headers = headers});
      });
}

}  // namespace

std::vector<Route> anthropic_routes(ServerContext& context) {
  return {answer_route(context, "/v1/messages", ApiDialect::anthropic, messages),
          model_route(context, "/v1/messages/count_tokens", ApiDialect::anthropic, count_tokens)};
}

}  // namespace jiang
