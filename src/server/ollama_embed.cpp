// POST /api/embed, and /api/embeddings as it was before.
#include "base/json_value.h"
#include "server/answer.h"
#include "server/embedding_request.h"
#include "server/fields.h"
#include "server/ollama.h"
#include "server/ollama_request.h"
#include "server/routes.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;

struct EmbedBody {
  std::string model = {};
  Json input = {};
  Json keep_alive = {};
  std::optional<int64_t> dimensions = {};
  void fields(Fields& f) {
    f.text("model", model);
    f.json("input", input);
    f.json("keep_alive", keep_alive);
    f.integer("dimensions", dimensions, 1, INT32_MAX);
    f.without_effect("truncate");  // what is too long is refused, with both numbers
    f.without_effect("options");
  }
};

struct OldEmbedBody {
  std::string model = {};
  std::string prompt = {};
  Json keep_alive = {};
  void fields(Fields& f) {
    f.text("model", model);
    f.text("prompt", prompt);
    f.json("keep_alive", keep_alive);
    f.without_effect("options");
  }
};

std::optional<ApiError> read_texts(const Json& input, std::vector<EmbeddingInput>& out) {
  const Json list = input.is_array() ? input : Json::array({input});
  for (const Json& item : list) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      return bad_request("input must be text or a list of texts, none of them empty", "input",
                         "invalid_value");
    }
    out.push_back({.text = item.get<std::string>()});
  }
  return std::nullopt;
}

void embed_texts(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  EmbedBody body;
  HeaderList headers;
  std::vector<EmbeddingInput> inputs;
  WantedModel wanted;
  auto error = read_body(*request, body, headers);
  if (!error) error = read_texts(body.input, inputs);
  if (!error) error = read_keep_alive(body.keep_alive, wanted.keep_alive);
  if (error) return responder->send(error_response(ApiDialect::ollama, *error));
  wanted.name = body.model;
  const auto begin = Clock::now();
  with_model(
      context, request->caller, responder, ApiDialect::ollama, wanted,
      [responder, headers, begin, inputs = std::move(inputs),
       dimensions = body.dimensions](const ModelLease& lease) {
        const auto loaded = Clock::now();
        std::vector<Embedding> embeddings;
        if (const auto refused = embed_inputs(*lease, inputs, dimensions, embeddings))
          return responder->send(error_response(ApiDialect::ollama, *refused));
        Json vectors = Json::array();
        int64_t n_tokens = 0;
        for (const Embedding& embedding : embeddings) {
          n_tokens += embedding.n_tokens;
          vectors.push_back(embedding.vector);
        }
        const auto nanos = [](auto duration) {
          return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
        };
        responder->send({.body = to_string(Json{{"model", lease->name()},
                                                {"embeddings", std::move(vectors)},
                                                {"total_duration", nanos(Clock::now() - begin)},
                                                {"load_duration", nanos(loaded - begin)},
                                                {"prompt_eval_count", n_tokens}}),
                         .headers = headers});
      });
}

void embed_prompt(ServerContext& context, const RequestPtr& request,
                  const ResponderPtr& responder) {
  OldEmbedBody body;
  HeaderList headers;
  WantedModel wanted;
  auto error = read_body(*request, body, headers);
  if (!error && body.prompt.empty())
    error = bad_request("prompt is missing", "prompt", "missing_field");
  if (!error) error = read_keep_alive(body.keep_alive, wanted.keep_alive);
  if (error) return responder->send(error_response(ApiDialect::ollama, *error));
  wanted.name = body.model;
  with_model(context, request->caller, responder, ApiDialect::ollama, wanted,
             [responder, headers, prompt = body.prompt](const ModelLease& lease) {
               std::vector<Embedding> embeddings;
               if (const auto refused = embed_inputs(*lease, {{.text = prompt}}, {}, embeddings))
                 return responder->send(error_response(ApiDialect::ollama, *refused));
               responder->send({.body = to_string(Json{{"embedding", embeddings[0].vector}}),
                                .headers = headers});
             });
}

}  // namespace

std::vector<Route> ollama_embed_routes(ServerContext& context) {
  return {model_route(context, "/api/embed", ApiDialect::ollama, embed_texts),
          model_route(context, "/api/embeddings", ApiDialect::ollama, embed_prompt)};
}

}  // namespace jiang
