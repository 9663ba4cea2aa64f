// POST /v1/embeddings: encoders, and decoders whose hidden states are pooled.
#include <cstring>

#include "base/json_value.h"
#include "server/answer.h"
#include "server/embedding_request.h"
#include "server/fields.h"
#include "server/openai.h"
#include "server/openai_request.h"
#include "server/routes.h"
#include "text/base64.h"

namespace jiang {
namespace {

constexpr size_t kMaxInputs = 2048;

struct EmbeddingBody {
  std::string model = {};
  Json input = {};
  std::optional<std::string> encoding_format = {};
  std::optional<int64_t> dimensions = {};

  void fields(Fields& f) {
    f.text("model", model);
    f.json("input", input);
    f.choice("encoding_format", encoding_format, {"float", "base64"});
    f.integer("dimensions", dimensions, 1, INT32_MAX);
    f.without_effect("user");
  }
};

std::optional<ApiError> read_inputs(const Json& input, std::vector<EmbeddingInput>& out) {
  const auto refuse = [](const std::string& what) {
    return bad_request("input " + what, "input", "invalid_value");
  };
  const auto read_one = [&](const Json& value) {
    EmbeddingInput& one = out.emplace_back();
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
      one.text = value.get<std::string>();
      return true;
    }
    auto ids = read_token_ids(value);
    if (!ids) return false;
    one.ids = std::move(*ids);
    return true;
  };
  const char* const kWhat = "must be text, token ids, or a list of these; none of them empty";
  if (input.is_string() || looks_like_ids(input)) {
    if (!read_one(input)) return refuse(kWhat);
    return std::nullopt;
  }
  if (!input.is_array() || input.empty()) return refuse(kWhat);
  if (input.size() > kMaxInputs) return refuse(fmt::format("has more than {} items", kMaxInputs));
  for (const Json& item : input) {
    if (!read_one(item)) return refuse(kWhat);
  }
  return std::nullopt;
}

// Little-endian floats, as all clients read them.
std::string base64_of(const std::vector<float>& vector) {
  std::string bytes(vector.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), vector.data(), bytes.size());
  return encode_base64(bytes);
}

void embed_all(const ResponderPtr& responder, LoadedModelEntry& model,
               const std::vector<EmbeddingInput>& inputs, const EmbeddingBody& body,
               const HeaderList& headers) {
  std::vector<Embedding> embeddings;
  if (const auto error = embed_inputs(model, inputs, body.dimensions, embeddings))
    return responder->send(error_response(ApiDialect::openai, *error));
  Json data = Json::array();
  int64_t n_tokens = 0;
  for (const Embedding& embedding : embeddings) {
    n_tokens += embedding.n_tokens;
    Json vector = body.encoding_format == "base64" ? Json(base64_of(embedding.vector))
                                                   : Json(embedding.vector);
    data.push_back(
        {{"object", "embedding"}, {"index", data.size()}, {"embedding", std::move(vector)}});
  }
  const Json out = {{"object", "list"},
                    {"data", std::move(data)},
                    {"model", model.name()},
                    {"usage", {{"prompt_tokens", n_tokens}, {"total_tokens", n_tokens}}}};
  responder->send({.body = to_string(out), .headers = headers});
}

void embeddings(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  EmbeddingBody body;
  HeaderList headers;
  std::vector<EmbeddingInput> inputs;
  auto error = read_body(*request, body, headers);
  if (!error) error = read_inputs(body.input, inputs);
  if (error) return responder->send(error_response(ApiDialect::openai, *error));
  const WantedModel wanted{.name = body.model};
  with_model(
      context, request->caller, responder, ApiDialect::openai, wanted,
      [responder, body = std::move(body), inputs = std::move(inputs), headers = std::move(headers)](
          const ModelLease& lease) { embed_all(responder, *lease, inputs, body, headers); });
}

}  // namespace

std::vector<Route> openai_embedding_routes(ServerContext& context) {
  return {model_route(context, "/v1/embeddings", ApiDialect::openai, embeddings)};
}

}  // namespace jiang
