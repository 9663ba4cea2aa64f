// POST /v1/completions: a prompt that the model continues.
#include <ctime>

#include "server/answer.h"
#include "server/openai.h"
#include "server/openai_request.h"
#include "server/routes.h"
#include "server/sampling_fields.h"
#include "server/text_frame.h"

namespace jiang {
namespace {

constexpr size_t kMaxPrompts = 128;

struct CompletionBody {
  std::string model = {};
  Json prompt = {};
  std::optional<int64_t> max_tokens = {};
  std::optional<int64_t> logprobs = {};
  std::optional<int64_t> best_of = {};
  Json stream_options = {};
  int64_t n = 1;
  bool stream = false;
  bool echo = false;
  SamplingFields sampling = {};

  void fields(Fields& f) {
    f.text("model", model);
    f.json("prompt", prompt);
    f.integer("max_tokens", max_tokens, 0, INT32_MAX);
    f.integer("logprobs", logprobs, 0, 20);
    f.integer("best_of", best_of, 1, 128);
    f.object("stream_options", stream_options);
    f.integer("n", n, 1, 128);
    f.flag("stream", stream);
    f.flag("echo", echo);
    sampling.fields(f);
    f.unsupported("suffix");
    f.unsupported("grammar");
    f.without_effect("user");
  }
};

std::optional<ApiError> read_prompt(const Json& value, ChatRequest& out) {
  if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
    out.raw_text = value.get<std::string>();
    return std::nullopt;
  }
  if (!looks_like_ids(value)) {
    return bad_request("prompt must be text, token ids, or a list of these; none of them empty",
                       "prompt", "invalid_value");
  }
  auto ids = read_token_ids(value);
  if (!ids) {
    return bad_request("prompt holds a number that is no token's id", "prompt", "invalid_value");
  }
  out.raw_ids = std::move(*ids);
  return std::nullopt;
}

// A prompt for each choice.
std::optional<ApiError> read_prompts(const Json& prompt, std::vector<ChatRequest>& out) {
  const bool is_one = !prompt.is_array() || looks_like_ids(prompt);
  if (is_one) return read_prompt(prompt, out.emplace_back());
  if (prompt.empty() || prompt.size() > kMaxPrompts)
    return bad_request(fmt::format("prompt must hold 1 to {} prompts", kMaxPrompts), "prompt");
  for (const Json& item : prompt) {
    if (auto error = read_prompt(item, out.emplace_back())) return error;
  }
  return std::nullopt;
}

class CompletionFormat final : public AnswerFormat {
 public:
  CompletionFormat(std::vector<std::string> echoes, size_t n_per_prompt, bool include_usage,
                   bool wants_logprobs)
      : choices_(echoes.size()),
        n_per_prompt_(n_per_prompt),
        include_usage_(include_usage),
        wants_logprobs_(wants_logprobs) {
    for (size_t i = 0; i < echoes.size(); ++i) choices_[i].text = std::move(echoes[i]);
  }
  ApiDialect dialect() const override { return ApiDialect::openai; }
  void begin(const std::string& model) override { model_ = model; }

  std::string stream_begin() override {
    std::string out;
    for (size_t i = 0; i < choices_.size(); ++i) {
      if (!choices_[i].text.empty()) out += chunk(i, choices_[i].text, {}, {});
    }
    return out;
  }
  std::string stream_event(int32_t index, const ChatEvent& event) override {
    const auto i = static_cast<size_t>(index);
    if (const auto* text = std::get_if<TextDelta>(&event)) {
      if (wants_logprobs_) {
        Json logprobs = no_logprobs();
        add_logprobs(logprobs, choices_[i].offset, text->logprobs);
        return chunk(i, text->text, std::move(logprobs), {});
      }
      TextFrame& frame = choices_[i].frame;
      if (frame.empty()) frame = TextFrame(chunk(i, TextFrame::kMark, {}, {}));
      return frame.with(text->text);
    }
    if (const auto* finish = std::get_if<ChatFinish>(&event)) {
      count(i, finish->stats);
      return chunk(i, "", {}, openai_finish_reason(finish->reason));
    }
    return {};
  }
  std::string stream_end() override {
    std::string out;
    if (include_usage_) {
      Json last = head();
      last["choices"] = Json::array();
      last["usage"] = openai_usage(usage_);
      out = "data: " + to_string(last) + "\n\n";
    }
    return out + "data: [DONE]\n\n";
  }
  std::string stream_error(const ApiError& error) override {
    return "data: " + error_body(ApiDialect::openai, error) + "\n\ndata: [DONE]\n\n";
  }

  void take(int32_t index, ChatEvent event) override {
    const auto i = static_cast<size_t>(index);
    Choice& choice = choices_[i];
    if (const auto* text = std::get_if<TextDelta>(&event)) {
      choice.text += text->text;
      if (wants_logprobs_) add_logprobs(choice.logprobs, choice.offset, text->logprobs);
    } else if (const auto* finish = std::get_if<ChatFinish>(&event)) {
      choice.finish_reason = openai_finish_reason(finish->reason);
      count(i, finish->stats);
    }
  }
  HttpResponse whole() override {
    Json out = head();
    out["choices"] = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i) {
      Choice& choice = choices_[i];
      out["choices"].push_back({{"text", std::move(choice.text)},
                                {"index", i},
                                {"logprobs", wants_logprobs_ ? std::move(choice.logprobs) : Json()},
                                {"finish_reason", choice.finish_reason}});
    }
    out["usage"] = openai_usage(usage_);
    return {.body = to_string(out)};
  }

 private:
  static Json no_logprobs() {
    return {{"tokens", Json::array()},
            {"token_logprobs", Json::array()},
            {"top_logprobs", Json::array()},
            {"text_offset", Json::array()}};
  }
  struct Choice {
    std::string text;
    Json logprobs = no_logprobs();
    size_t offset = 0;  // characters of the answer before the next token
    std::string finish_reason;
    TextFrame frame = {};  // made with the first text
  };

  static void add_logprobs(Json& out, size_t& offset, const std::vector<TokenTextLogprobs>& list) {
    for (const TokenTextLogprobs& one : list) {
      out["tokens"].push_back(one.token.bytes);
      out["token_logprobs"].push_back(one.token.logprob);
      Json top = Json::object();
      for (const TokenText& other : one.top) top[other.bytes] = other.logprob;
      out["top_logprobs"].push_back(std::move(top));
      out["text_offset"].push_back(offset);
      for (const char c : one.token.bytes) offset += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }
  }
  // The n choices of a prompt share it; each prompt counts.
  void count(size_t i, const RequestStats& stats) {
    usage_.generated_tokens += stats.generated_tokens;
    if (i % n_per_prompt_ != 0) return;
    usage_.prompt_tokens += stats.prompt_tokens;
    usage_.cached_tokens += stats.cached_tokens;
  }
  Json head() const {
    return {{"id", id_}, {"object", "text_completion"}, {"created", created_}, {"model", model_}};
  }
  std::string chunk(size_t index, const std::string& text, Json logprobs,
                    Json finish_reason) const {
    Json out = head();
    out["choices"] = Json::array({{{"text", text},
                                   {"index", index},
                                   {"logprobs", std::move(logprobs)},
                                   {"finish_reason", std::move(finish_reason)}}});
    if (include_usage_) out["usage"] = nullptr;
    return "data: " + to_string(out) + "\n\n";
  }

  const std::string id_ = make_id("cmpl-");
  const int64_t created_ = time(nullptr);
  std::string model_;
  std::vector<Choice> choices_;
  const size_t n_per_prompt_;
  const bool include_usage_;
  const bool wants_logprobs_;
  RequestStats usage_;
};

std::optional<ApiError> check(const CompletionBody& body) {
  if (body.best_of && *body.best_of != body.n)
    return bad_request("best_of must equal n: all that are drawn are returned", "best_of",
                       "unsupported");
  if (body.echo && body.logprobs)
    return bad_request("logprobs of an echoed prompt are not supported", "logprobs", "unsupported");
  if (!body.stream_options.is_null() && !body.stream)
    return bad_request("stream_options needs stream to be true", "stream_options");
  return std::nullopt;
}

void completions(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  CompletionBody body;
  StreamOptions stream_options;
  AnswerJob job;
  std::vector<ChatRequest> prompts;
  auto error = read_body(*request, body, job.headers);
  if (!error) error = check(body);
  if (!error && !body.stream_options.is_null())
    error = read_fields(body.stream_options, stream_options, "stream_options.");
  if (!error) error = read_prompts(body.prompt, prompts);
  const size_t n_choices = prompts.size() * static_cast<size_t>(body.n);
  if (!error && n_choices > kMaxPrompts)
    error = bad_request(fmt::format("n times the prompts must be at most {}", kMaxPrompts), "n");
  if (!error && body.echo) {
    for (const ChatRequest& prompt : prompts) {
      if (!prompt.raw_text)
        error = bad_request("echo needs prompts of text", "echo", "unsupported");
    }
  }
  if (error) return responder->send(error_response(ApiDialect::openai, *error));

  std::vector<std::string> echoes;
  for (const ChatRequest& prompt : prompts) {
    for (int64_t i = 0; i < body.n; ++i) {
      ChatRequest& choice = job.requests.emplace_back(prompt);
      choice.max_tokens = static_cast<int32_t>(body.max_tokens.value_or(16));  // OpenAI's default
      if (body.logprobs) choice.top_logprobs = static_cast<int32_t>(*body.logprobs);
      echoes.push_back(body.echo ? *prompt.raw_text : std::string());
    }
  }
  job.n_per_prompt = static_cast<size_t>(body.n);
  job.sampling = body.sampling;
  job.model = body.model;
  job.is_stream = body.stream;
  job.format =
      std::make_unique<CompletionFormat>(std::move(echoes), static_cast<size_t>(body.n),
                                         stream_options.include_usage, body.logprobs.has_value());
  answer(context, request, responder, std::move(job));
}

}  // namespace

std::vector<Route> openai_completion_routes(ServerContext& context) {
  return {answer_route(context, "/v1/completions", ApiDialect::openai, completions)};
}

}  // namespace jiang
