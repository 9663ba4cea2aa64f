// Ollama's chat, generate and embed: newline-separated JSON, durations in nanoseconds.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <map>

#include "base/json_value.h"
#include "runtime/embedding.h"
#include "server/answer.h"
#include "server/fields.h"
#include "server/ollama.h"
#include "server/openai_request.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;

std::string now_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const time_t seconds = micros / 1000000;
  tm parts = {};
  gmtime_r(&seconds, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}Z", text, micros % 1000000);
}

int64_t nanos(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

HttpResponse ollama_error(const ApiError& error) { return error_response(Dialect::ollama, error); }

// ---- what all bodies share

// options: {...}
struct OptionFields {
  std::optional<double> temperature, top_p, min_p, repeat_penalty, presence_penalty,
      frequency_penalty;
  std::optional<int64_t> top_k, seed, num_predict, num_ctx, repeat_last_n;
  std::vector<std::string> stop;

  void fields(Fields& f) {
    f.number("temperature", temperature, 0, 100);
    f.integer("top_k", top_k, 0, INT32_MAX);
    f.number("top_p", top_p, 0, 1);
    f.number("min_p", min_p, 0, 1);
    f.number("repeat_penalty", repeat_penalty, 0.01, 100);
    f.number("presence_penalty", presence_penalty, -100, 100);
    f.number("frequency_penalty", frequency_penalty, -100, 100);
    f.integer("repeat_last_n", repeat_last_n, -1, INT32_MAX);
    f.integer("seed", seed, 0, INT64_MAX);
    f.integer("num_predict", num_predict, -2, INT32_MAX);
    f.integer("num_ctx", num_ctx, 1, INT32_MAX);
    f.texts("stop", stop, 16);
    f.unsupported("mirostat", 0);
    f.unsupported("typical_p", 1.0);
    f.unsupported("tfs_z", 1.0);
    for (const char* name : {"num_thread", "num_batch", "num_gpu", "main_gpu", "use_mmap",
                             "use_mlock", "numa", "num_keep", "low_vram", "vocab_only",
                             "penalize_newline", "mirostat_tau", "mirostat_eta"}) {
      f.without_effect(name);
    }
  }
  void apply(ChatRequest& request) const {
    SamplingParams& sampling = request.sampling;
    const auto set = [](auto& target, const auto& value) {
      if (value) target = static_cast<std::decay_t<decltype(target)>>(*value);
    };
    set(sampling.temperature, temperature);
    set(sampling.top_k, top_k);
    set(sampling.top_p, top_p);
    set(sampling.min_p, min_p);
    set(sampling.repeat_penalty, repeat_penalty);
    set(sampling.presence_penalty, presence_penalty);
    set(sampling.frequency_penalty, frequency_penalty);
    set(sampling.penalty_window, repeat_last_n);
    if (seed) sampling.seed = static_cast<uint64_t>(*seed);
    // -1: without end; -2: until the context is full. Both are -1 here.
    if (num_predict) request.max_tokens = static_cast<int32_t>(std::max<int64_t>(*num_predict, -1));
    request.stop = stop;
  }
};

// "5m", "1h30m", 300, -1
std::optional<ApiError> read_keep_alive(const Json& value,
                                        std::optional<std::chrono::seconds>& out) {
  const auto bad = [] {
    return bad_request("keep_alive is seconds, or a duration such as \"5m\"", "keep_alive",
                       "invalid_value");
  };
  if (value.is_null()) return std::nullopt;
  if (value.is_number()) {
    const double seconds = value.get<double>();
    if (!(seconds > -1e9 && seconds < 1e9)) return bad();
    out = std::chrono::seconds(static_cast<int64_t>(seconds));
    return std::nullopt;
  }
  if (!value.is_string()) return bad();
  const std::string text = value.get<std::string>();
  const char* at = text.c_str();
  const double sign = *at == '-' ? -1 : 1;
  if (*at == '-') ++at;
  double total = 0;
  bool has_part = false;
  while (*at) {
    char* end = nullptr;
    const double number = *at >= '0' && *at <= '9' ? std::strtod(at, &end) : -1;
    if (number < 0 || number > 1e9) return bad();
    at = end;
    const std::string_view rest(at);
    const std::pair<std::string_view, double> units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9},
                                                         {"h", 3600},  {"m", 60},    {"s", 1}};
    double scale = 0;
    for (const auto& [unit, seconds] : units) {
      if (!rest.starts_with(unit)) continue;
      scale = seconds;
      at += unit.size();
      break;
    }
    if (scale == 0) {  // "0" and "-1" are seconds
      if (*at || has_part) return bad();
      scale = 1;
    }
    total += number * scale;
    has_part = true;
  }
  if (!has_part) return bad();
  out = std::chrono::seconds(static_cast<int64_t>(sign * total));
  return std::nullopt;
}

// "json", or a JSON schema
std::optional<ApiError> read_format(const Json& value, ResponseFormat& out) {
  if (value.is_null() || value == "") return std::nullopt;
  if (value == "json") {
    out.kind = ResponseFormat::Kind::json_object;
    return std::nullopt;
  }
  if (!value.is_object()) {
    return bad_request("format is \"json\" or a JSON schema", "format", "invalid_value");
  }
  out.kind = ResponseFormat::Kind::json_schema;
  out.schema = value;
  return std::nullopt;
}

std::optional<ApiError> read_think(const Json& value, std::optional<bool>& out) {
  if (value.is_null()) return std::nullopt;
  if (value.is_boolean()) {
    out = value.get<bool>();
  } else if (value == "low" || value == "medium" || value == "high") {
    out = true;
  } else {
    return bad_request("think is true, false, or low, medium, high", "think", "invalid_value");
  }
  return std::nullopt;
}

// Ollama's messages in OpenAI's form: arguments as text, calls with ids, thinking under its name.
std::optional<ApiError> convert_messages(Json& messages) {
  int64_t n_calls = 0;
  std::vector<std::string> open_calls;
  for (Json& message : messages) {
    if (!message.is_object()) return bad_request("a message is an object", "messages");
    if (const Json* images = find_member(message, "images"); images && !images->empty()) {
      return bad_request("images cannot be read: no model here sees", "messages", "unsupported");
    }
    message.erase("images");
    if (const Json* thinking = find_member(message, "thinking")) {
      message["reasoning_content"] = *thinking;
    }
    message.erase("thinking");
    if (Json* calls = const_cast<Json*>(find_member(message, "tool_calls"))) {
      if (!calls->is_array()) return bad_request("tool_calls is a list", "messages");
      for (Json& call : *calls) {
        const Json* function = call.is_object() ? find_member(call, "function") : nullptr;
        if (!function || !function->is_object()) {
          return bad_request("a tool call has a function", "messages");
        }
        Json converted = *function;
        if (const Json* arguments = find_member(converted, "arguments");
            arguments && !arguments->is_string()) {
          converted["arguments"] = to_string(*arguments);
        }
        const std::string id = fmt::format("call_{}", n_calls++);
        open_calls.push_back(id);
        call = {{"id", id}, {"type", "function"}, {"function", std::move(converted)}};
      }
    }
    if (message.value("role", "") == "tool") {
      if (const Json* name = find_member(message, "tool_name")) message["name"] = *name;
      message.erase("tool_name");
      // Answers come in the order of the calls.
      if (!find_member(message, "tool_call_id") && !open_calls.empty()) {
        message["tool_call_id"] = open_calls.front();
        open_calls.erase(open_calls.begin());
      }
    }
  }
  return check_messages(messages);
}

// ---- answers

class OllamaFormat final : public AnswerFormat {
 public:
  enum class Kind { chat, generate };
  explicit OllamaFormat(Kind kind) : kind_(kind) {}

  Dialect dialect() const override { return Dialect::ollama; }
  void begin(const std::string& model) override {
    model_ = model;
    began_ = Clock::now();
  }
  HttpResponse stream_head() const override { return {.content_type = "application/x-ndjson"}; }
  std::string ping() const override { return ""; }  // the form has no comments
  std::string stream_begin() override { return ""; }
  std::string stream_event(int32_t, const ChatEvent& event) override {
    if (const auto* text = std::get_if<TextDelta>(&event)) return line(text->text, "", {});
    if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
      return line("", reasoning->text, {});
    }
    if (const auto* call = std::get_if<ToolCallDelta>(&event)) {
      add_call(*call);
      return "";
    }
    if (const auto* finish = std::get_if<ChatFinish>(&event)) {
      std::string out = calls_.empty() ? "" : line("", "", calls_json());
      Json last = head("", "", {});
      add_end(last, *finish);
      return out + to_string(last) + "\n";
    }
    return "";
  }
  std::string stream_end() override { return ""; }
  std::string stream_error(const ApiError& error) override {
    return error_body(Dialect::ollama, error) + "\n";
  }

  void take(int32_t, ChatEvent event) override {
    if (const auto* text = std::get_if<TextDelta>(&event)) text_ += text->text;
    if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) thinking_ += reasoning->text;
    if (const auto* call = std::get_if<ToolCallDelta>(&event)) add_call(*call);
    if (auto* finish = std::get_if<ChatFinish>(&event)) finish_ = std::move(*finish);
  }
  HttpResponse whole() override {
    Json out = head(text_, thinking_, calls_json());
    add_end(out, finish_);
    return {.body = to_string(out)};
  }

 private:
  struct Call {
    std::string name, arguments;
  };
  void add_call(const ToolCallDelta& delta) {
    Call& call = calls_[delta.index];
    if (!delta.name.empty()) call.name = delta.name;
    call.arguments += delta.arguments;
  }
  Json calls_json() const {
    Json list = Json::array();
    for (const auto& [index, call] : calls_) {
      static_cast<void>(index);
      auto arguments = parse_json(call.arguments.empty() ? "{}" : call.arguments, "arguments");
      list.push_back({{"function",
                       {{"name", call.name},
                        {"arguments", arguments ? *std::move(arguments) : Json::object()}}}});
    }
    return list;
  }
  Json head(const std::string& text, const std::string& thinking, Json calls) const {
    Json out = {{"model", model_}, {"created_at", now_text()}};
    if (kind_ == Kind::generate) {
      out["response"] = text;
      if (!thinking.empty()) out["thinking"] = thinking;
    } else {
      Json message = {{"role", "assistant"}, {"content", text}};
      if (!thinking.empty()) message["thinking"] = thinking;
      if (!calls.empty()) message["tool_calls"] = std::move(calls);
      out["message"] = std::move(message);
    }
    out["done"] = false;
    return out;
  }
  std::string line(const std::string& text, const std::string& thinking, Json calls) const {
    return to_string(head(text, thinking, std::move(calls))) + "\n";
  }
  void add_end(Json& out, const ChatFinish& finish) const {
    const RequestStats& stats = finish.stats;
    out["done"] = true;
    out["done_reason"] = finish.reason == ChatFinishReason::length ? "length" : "stop";
    const auto total = Clock::now() - created_;
    out["total_duration"] = std::chrono::duration_cast<std::chrono::nanoseconds>(total).count();
    out["load_duration"] =
        std::chrono::duration_cast<std::chrono::nanoseconds>(began_ - created_).count();
    out["prompt_eval_count"] = stats.prompt_tokens;
    out["prompt_eval_duration"] = nanos(stats.prefill_seconds);
    out["eval_count"] = stats.generated_tokens;
    out["eval_duration"] = nanos(stats.decode_seconds);
  }

  const Kind kind_;
  const Clock::time_point created_ = Clock::now();
  Clock::time_point began_ = created_;
  std::string model_, text_, thinking_;
  std::map<int32_t, Call> calls_;
  ChatFinish finish_;
};

// An empty request loads the model, or with keep_alive 0 lets it go.
void load_only(ServerContext& context, const ResponderPtr& responder, const std::string& model,
               std::optional<std::chrono::seconds> keep_alive, bool is_chat) {
  const auto done = [responder, model, is_chat](const char* reason) {
    Json out = {{"model", model}, {"created_at", now_text()}};
    if (is_chat) {
      out["message"] = {{"role", "assistant"}, {"content", ""}};
    } else {
      out["response"] = "";
    }
    out["done"] = true;
    out["done_reason"] = reason;
    responder->send({.body = to_string(out) + "\n", .content_type = "application/x-ndjson"});
  };
  if (keep_alive && keep_alive->count() == 0) {
    const auto unloaded = context.models.unload(model);
    if (!unloaded) return responder->send(ollama_error(api_error(unloaded.error())));
    return done("unload");
  }
  with_model(context, responder, Dialect::ollama, model,
             [done](const ModelLease&) { done("load"); });
}

struct CommonBody {
  std::string model = {};
  Json options = {}, format = {}, think = {}, keep_alive = {};
  std::optional<int64_t> top_logprobs = {};
  bool stream = true, logprobs = false;

  void common(Fields& f) {
    f.text("model", model);
    f.object("options", options);
    f.json("format", format);
    f.json("think", think);
    f.json("keep_alive", keep_alive);
    f.flag("stream", stream);
    f.unsupported("logprobs");
    f.unsupported("top_logprobs", 0);
  }
};

// Fills what chat and generate share; then answers.
void answer_common(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder,
                   const CommonBody& body, ChatRequest chat, OllamaFormat::Kind kind,
                   HeaderList headers) {
  AnswerJob job;
  job.model = body.model;
  OptionFields options;
  std::vector<std::string> ignored;
  std::optional<ApiError> error;
  if (body.options.is_object()) error = read_fields(body.options, options, "options.", &ignored);
  if (!error) error = read_keep_alive(body.keep_alive, job.keep_alive);
  if (!error) error = read_format(body.format, chat.format);
  if (!error) error = read_think(body.think, chat.thinking);
  if (error) return responder->send(ollama_error(*error));
  add_ignored(ignored, headers);
  options.apply(chat);
  job.requests.push_back(std::move(chat));
  job.is_stream = body.stream;
  job.headers = std::move(headers);
  job.format = std::make_unique<OllamaFormat>(kind);
  if (options.num_ctx) {
    job.prepare = [wanted = *options.num_ctx](
                      LoadedModelEntry& model,
                      std::vector<ChatRequest>&) -> std::optional<ApiError> {
      const int32_t context_tokens = model.backend().capabilities().context;
      if (context_tokens <= 0 || wanted <= context_tokens) return std::nullopt;
      return bad_request(
          fmt::format("options.num_ctx is {}, and this model runs with {}", wanted, context_tokens),
          "options.num_ctx", "unsupported");
    };
  }
  answer(context, request, responder, std::move(job));
}

// ---- routes

struct ChatBody : CommonBody {
  Json messages = {}, tools = {};
  void fields(Fields& f) {
    common(f);
    f.list("messages", messages);
    f.list("tools", tools);
  }
};

void chat(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder) {
  ChatBody body;
  HeaderList headers;
  auto error = read_body(*request, body, headers);
  if (!error && (body.messages.is_null() || body.messages.empty())) {
    std::optional<std::chrono::seconds> keep_alive;
    error = read_keep_alive(body.keep_alive, keep_alive);
    if (!error) return load_only(context, responder, body.model, keep_alive, true);
  }
  if (!error) error = convert_messages(body.messages);
  if (!error && !body.tools.is_null()) error = check_tools(body.tools);
  if (error) return responder->send(ollama_error(*error));
  ChatRequest chat_request;
  chat_request.messages = std::move(body.messages);
  if (!body.tools.is_null() && !body.tools.empty()) chat_request.tools = std::move(body.tools);
  // An assistant's last message is gone on with, as Ollama does.
  const Json& last = chat_request.messages.back();
  chat_request.continues_last =
      last.value("role", "") == "assistant" && !last.contains("tool_calls");
  answer_common(context, request, responder, body, std::move(chat_request),
                OllamaFormat::Kind::chat, std::move(headers));
}

struct GenerateBody : CommonBody {
  std::string prompt = {}, system = {};
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

void generate_text(ServerContext& context, const RequestPtr& request,
                   const ResponderPtr& responder) {
  GenerateBody body;
  HeaderList headers;
  auto error = read_body(*request, body, headers);
  if (!error && body.prompt.empty()) {
    std::optional<std::chrono::seconds> keep_alive;
    error = read_keep_alive(body.keep_alive, keep_alive);
    if (!error) return load_only(context, responder, body.model, keep_alive, false);
  }
  if (error) return responder->send(ollama_error(*error));
  ChatRequest chat_request;
  if (body.raw) {
    chat_request.raw_text = body.prompt;
  } else {
    chat_request.messages = Json::array();
    if (!body.system.empty()) {
      chat_request.messages.push_back({{"role", "system"}, {"content", body.system}});
    }
    chat_request.messages.push_back({{"role", "user"}, {"content", body.prompt}});
  }
  answer_common(context, request, responder, body, std::move(chat_request),
                OllamaFormat::Kind::generate, std::move(headers));
}

struct EmbedBody {
  std::string model = {}, prompt = {};
  Json input = {}, options = {}, keep_alive = {};
  std::optional<bool> truncate = {};
  std::optional<int64_t> dimensions = {};
  void fields(Fields& f) {
    f.text("model", model);
    f.json("input", input);
    f.text("prompt", prompt);  // of the older route
    f.object("options", options);
    f.json("keep_alive", keep_alive);
    f.flag("truncate", truncate);
    f.integer("dimensions", dimensions, 1, INT32_MAX);
  }
};

void embed_texts(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder,
                 bool is_legacy) {
  EmbedBody body;
  HeaderList headers;
  if (const auto error = read_body(*request, body, headers)) {
    return responder->send(ollama_error(*error));
  }
  if (is_legacy) body.input = body.prompt;
  const Json list = body.input.is_array() ? body.input : Json::array({body.input});
  std::vector<EmbeddingInput> inputs;
  for (const Json& item : list) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      return responder->send(ollama_error(bad_request(
          "input is text or a list of texts, none of them empty", "input", "invalid_value")));
    }
    inputs.push_back({.text = item.get<std::string>()});
  }
  const auto start = Clock::now();
  with_model(context, responder, Dialect::ollama, body.model, [=](const ModelLease& lease) {
    if (lease->engine() == nullptr || lease->chat_model() == nullptr) {
      return responder->send(ollama_error(
          bad_request("a remote model has no embeddings here", "model", "unsupported")));
    }
    Json vectors = Json::array();
    int64_t n_tokens = 0;
    for (const EmbeddingInput& input : inputs) {
      auto embedding = embed(*lease->engine(), lease->chat_model()->tokenizer(), input, {});
      if (!embedding) {
        ApiError error = api_error(embedding.error());
        if (embedding.error().kind == ErrorKind::too_large) {
          error.message += "; inputs are never cut here, with or without truncate";
        }
        error.param = "input";
        return responder->send(ollama_error(error));
      }
      if (body.dimensions && static_cast<size_t>(*body.dimensions) != embedding->vector.size()) {
        return responder->send(ollama_error(bad_request(
            fmt::format("this model's vectors have {} dimensions", embedding->vector.size()),
            "dimensions", "unsupported")));
      }
      n_tokens += embedding->n_tokens;
      vectors.push_back(embedding->vector);
    }
    if (is_legacy) {
      return responder->send(
          {.body = to_string(Json{{"embedding", vectors[0]}}), .headers = headers});
    }
    const auto total = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
    responder->send({.body = to_string(Json{{"model", lease->name()},
                                            {"embeddings", std::move(vectors)},
                                            {"total_duration", total.count()},
                                            {"load_duration", 0},
                                            {"prompt_eval_count", n_tokens}}),
                     .headers = headers});
  });
}

}  // namespace

std::vector<Route> ollama_chat_routes(ServerContext& context) {
  const auto row = [](const char* path, Handler handler) {
    return Route{"POST", path, Access::model, std::move(handler), Dialect::ollama};
  };
  return {
      row("/api/chat", [&](const RequestPtr& request,
                           const ResponderPtr& responder) { chat(context, request, responder); }),
      row("/api/generate",
          [&](const RequestPtr& request, const ResponderPtr& responder) {
            generate_text(context, request, responder);
          }),
      row("/api/embed",
          [&](const RequestPtr& request, const ResponderPtr& responder) {
            embed_texts(context, request, responder, false);
          }),
      row("/api/embeddings",
          [&](const RequestPtr& request, const ResponderPtr& responder) {
            embed_texts(context, request, responder, true);
          }),
  };
}

}  // namespace jiang
