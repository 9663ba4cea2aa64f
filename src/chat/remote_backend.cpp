#include "chat/remote_backend.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "base/json_value.h"
#include "chat/remote_protocol.h"

namespace jiang {
namespace {

constexpr std::array<RemoteProvider, 4> kProviders = {{
    {"openai", RemoteProtocol::openai, "https://api.openai.com/v1", "OPENAI_API_KEY"},
    {"anthropic", RemoteProtocol::anthropic, "https://api.anthropic.com", "ANTHROPIC_API_KEY"},
    {"zhipu", RemoteProtocol::openai, "https://open.bigmodel.cn/api/paas/v4", "ZHIPUAI_API_KEY"},
    {"dashscope", RemoteProtocol::openai, "https://dashscope.aliyuncs.com/compatible-mode/v1",
     "DASHSCOPE_API_KEY"},
}};

constexpr size_t kMaxKeyBytes = 4096;
constexpr size_t kMaxErrorBytes = 64 << 10;
constexpr size_t kMaxWaiting = 10'000;  // events that nobody has read
constexpr double kStallSeconds = 300;   // models that think say nothing for a while

using Clock = std::chrono::steady_clock;

// A message of another's, without our key.
std::string without_key(std::string message, const std::string& key) {
  if (key.empty()) return message;
  for (size_t at = 0; (at = message.find(key, at)) != std::string::npos;)
    message.replace(at, key.size(), "(the key)");
  return message;
}

// The sentence in an error's body, or its beginning.
std::string message_of(const std::string& body) {
  const auto json = parse_json(body, "error");
  if (json && json->is_object()) {
    const Json* error = find_member(*json, "error");
    const Json* holder = error && error->is_object() ? error : &*json;
    for (const char* name : {"message", "msg"}) {
      const Json* message = find_member(*holder, name);
      if (message && message->is_string()) return message->get<std::string>();
    }
    if (error && error->is_string()) return error->get<std::string>();
  }
  return body.substr(0, 300);
}

ErrorKind kind_of(int status) {
  if (status == 404) return ErrorKind::not_found;
  if (status == 413) return ErrorKind::too_large;
  return status == 429 || status >= 500 ? ErrorKind::io : ErrorKind::invalid_argument;
}

// What is asked for and the provider has no word for. jiang's usual values are not asked for: they
// are left to the provider.
Status check_sampling(const RemoteProvider& provider, const ChatRequest& request) {
  const SamplingParams usual;
  const SamplingParams& asked = request.sampling;
  const bool is_anthropic = provider.protocol == RemoteProtocol::anthropic;
  const bool is_dashscope = provider.name == "dashscope";
  const bool has_temperature = asked.temperature != usual.temperature;
  const bool has_top_p = asked.top_p != usual.top_p;
  const bool has_top_k = asked.top_k != usual.top_k;
  const bool thinks = request.thinking.value_or(false);
  const struct {
    bool is_asked;
    bool is_known;
    const char* what;
  } rows[] = {
      {has_top_k, is_anthropic || is_dashscope, "top_k"},
      {asked.min_p != usual.min_p, false, "min_p"},
      {asked.repeat_penalty != usual.repeat_penalty, is_dashscope, "repeat_penalty"},
      {asked.penalty_window != usual.penalty_window, false, "the window of penalties"},
      {asked.presence_penalty != 0, !is_anthropic, "presence_penalty"},
      {asked.frequency_penalty != 0, !is_anthropic, "frequency_penalty"},
      {asked.seed.has_value(), !is_anthropic, "a seed"},
      {asked.temperature > 1, !is_anthropic, "a temperature above 1"},
      {has_temperature && has_top_p, !is_anthropic, "temperature together with top_p"},
      {thinks && (has_temperature || has_top_p || has_top_k), !is_anthropic,
       "sampling together with thinking"},
  };
  for (const auto& row : rows) {
    if (row.is_asked && !row.is_known) {
      return fail(ErrorKind::unsupported, "{} cannot be asked of a model of {}", row.what,
                  provider.name);
    }
  }
  return ok();
}

// What the transfer's thread and the reader share.
struct Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<ChatEvent> events;
  bool has_finished = false;  // a ChatFinish is, or was, in events
  std::atomic<bool> is_cancelled = false;
  std::function<void()> notify;
};

class RemoteStream final : public ChatStream {
 public:
  RemoteStream(std::shared_ptr<HttpClient> client, const RemoteOptions& options,
               std::string base_url, RemoteRequest request, std::unique_ptr<RemoteReader> reader,
               std::function<void()> notify)
      : client_(std::move(client)),
        key_(options.key),
        provider_(options.provider),
        url_(std::move(base_url) + request.path),
        request_(std::move(request)),
        reader_(std::move(reader)) {
    shared_.notify = std::move(notify);
    thread_ = std::thread([this] { run(); });
  }
  ~RemoteStream() override {
    shared_.is_cancelled = true;
    shared_.changed.notify_all();
    thread_.join();
  }

  std::optional<ChatEvent> next_within(double seconds) override {
    std::unique_lock lock(shared_.mutex);
    const auto is_readable = [this] { return !shared_.events.empty() || shared_.has_finished; };
    if (seconds < 0) {
      shared_.changed.wait(lock, is_readable);
    } else {
      constexpr double kYear = 365.0 * 24 * 3600;
      const std::chrono::duration<double> limit(std::min(seconds, kYear));
      shared_.changed.wait_for(lock, limit, is_readable);
    }
    if (shared_.events.empty()) return std::nullopt;
    ChatEvent event = std::move(shared_.events.front());
    shared_.events.pop_front();
    shared_.changed.notify_all();
    return event;
  }
  void cancel() override { shared_.is_cancelled = true; }
  ChatProgress progress() const override { return {}; }

 private:
  void run() {
    const Clock::time_point begin = Clock::now();
    std::optional<Clock::time_point> first;
    int status = 0;
    std::string error_body;
    SseReader sse;
    HttpRequestOptions options{.method = "POST", .url = url_};
    options.headers = request_.headers;
    options.body = request_.body;
    options.stall_seconds = kStallSeconds;
    options.max_redirects = 0;  // the key is for this address
    options.cancelled = [this] { return shared_.is_cancelled.load(); };
    options.on_headers = [&](int code, const auto&) -> Status {
      status = code;
      return ok();
    };
    options.on_body = [&](std::string_view piece) -> Status {
      if (status != 200) {
        error_body += piece.substr(0, kMaxErrorBytes - std::min(kMaxErrorBytes, error_body.size()));
        return ok();
      }
      TRY(const auto all, sse.feed(piece));
      std::deque<ChatEvent> events;
      for (const std::string& data : all) {
        if (data == "[DONE]") continue;
        TRY(const Json event, parse_json(data, "an event of the answer"));
        if (event.is_object()) TRY_STATUS(reader_->read(event, events));
      }
      if (!first && !events.empty()) first = Clock::now();
      push(std::move(events));
      return ok();
    };
    const auto response = client_->send(options);

    ChatFinish finish = std::move(reader_->finish);
    const auto seconds = [](Clock::time_point from, Clock::time_point to) {
      return std::chrono::duration<double>(to - from).count();
    };
    const Clock::time_point end = Clock::now();
    finish.stats.prefill_seconds = seconds(begin, first.value_or(end));
    if (first) finish.stats.decode_seconds = seconds(*first, end);
    if (shared_.is_cancelled) {
      finish.reason = ChatFinishReason::cancelled;
    } else if (!response) {
      set_error(finish, response.error().kind, response.error().message);
    } else if (response->status != 200) {
      const std::string& body = error_body.empty() ? response->body : error_body;
      set_error(finish, kind_of(response->status),
                fmt::format("answered {}: {}", response->status, message_of(body)));
    } else if (!reader_->has_ended) {
      set_error(finish, ErrorKind::io, "the answer ended in the middle");
    }
    std::deque<ChatEvent> last;
    last.push_back(std::move(finish));
    push(std::move(last), true);
  }

  void set_error(ChatFinish& finish, ErrorKind kind, const std::string& message) {
    finish.reason = ChatFinishReason::error;
    finish.error = Error{kind, without_key(fmt::format("{}: {}", provider_, message), key_)};
  }

  // Waits while the reader is far behind.
  void push(std::deque<ChatEvent> events, bool is_last = false) {
    if (events.empty()) return;
    {
      std::unique_lock lock(shared_.mutex);
      shared_.changed.wait(lock, [&] {
        return is_last || shared_.events.size() < kMaxWaiting || shared_.is_cancelled;
      });
      for (ChatEvent& event : events) shared_.events.push_back(std::move(event));
      shared_.has_finished = is_last;
    }
    shared_.changed.notify_all();
    if (shared_.notify) shared_.notify();
  }

  const std::shared_ptr<HttpClient> client_;
  const std::string key_;
  const std::string provider_;
  const std::string url_;
  const RemoteRequest request_;
  const std::unique_ptr<RemoteReader> reader_;
  Shared shared_;
  std::thread thread_;  // last: it uses all the others
};

class RemoteBackend final : public ChatBackend {
 public:
  RemoteBackend(RemoteOptions options, const RemoteProvider& provider,
                std::shared_ptr<HttpClient> client)
      : options_(std::move(options)), provider_(provider), client_(std::move(client)) {
    base_url_ = options_.base_url.empty() ? std::string(provider.base_url) : options_.base_url;
    while (base_url_.ends_with('/')) base_url_.pop_back();
  }

  Result<std::unique_ptr<ChatStream>> start(ChatRequest request) override {
    const auto refuse = [&](bool is_asked, std::string_view what) -> Status {
      if (!is_asked) return ok();
      return fail(ErrorKind::unsupported, "{} cannot be asked of a remote model", what);
    };
    TRY_STATUS(refuse(request.raw_text || !request.raw_ids.empty(), "a raw prompt"));
    TRY_STATUS(refuse(request.continues_last, "continuing the last message"));
    TRY_STATUS(refuse(!request.template_extra.is_null(), "a variable of the chat template"));
    TRY_STATUS(refuse(request.adapters.has_value(), "an adapter"));
    TRY_STATUS(refuse(request.ignore_eos, "ignore_eos"));
    TRY_STATUS(refuse(!request.sampling.logit_bias.empty(), "logit_bias"));
    TRY_STATUS(check_sampling(provider_, request));
    if (!request.messages.is_array())
      return fail(ErrorKind::invalid_argument, "messages must be a list");
    const bool is_openai = provider_.protocol == RemoteProtocol::openai;
    TRY(RemoteRequest remote,
        is_openai ? openai_request(options_, request) : anthropic_request(options_, request));
    return std::unique_ptr<ChatStream>(std::make_unique<RemoteStream>(
        client_, options_, base_url_, std::move(remote),
        is_openai ? openai_reader() : anthropic_reader(), std::move(request.notify)));
  }

  Result<int32_t> count_tokens(const ChatRequest&) override {
    return fail(ErrorKind::unsupported, "the tokens of a remote model cannot be counted");
  }
  ChatCapabilities capabilities() const override {
    return {.tools = true, .thinking = true, .embeddings = false, .context = options_.context};
  }

 private:
  const RemoteOptions options_;
  const RemoteProvider& provider_;
  const std::shared_ptr<HttpClient> client_;
  std::string base_url_;
};

}  // namespace

Result<std::vector<std::string>> SseReader::feed(std::string_view bytes) {
  std::vector<std::string> events;
  const auto end_line = [&] {
    if (line_.empty()) {
      if (has_data_) events.push_back(std::move(data_));
      data_.clear();
      has_data_ = false;
    } else if (line_.starts_with("data:")) {
      std::string_view value = std::string_view(line_).substr(5);
      if (value.starts_with(' ')) value.remove_prefix(1);
      if (has_data_) data_ += '\n';
      data_ += value;
      has_data_ = true;
    }  // event names are in the data too; comments and ids say nothing
    line_.clear();
  };
  for (const char c : bytes) {
    const bool is_rest_of_end = after_return_ && c == '\n';
    after_return_ = c == '\r';
    if (is_rest_of_end) continue;
    if (c == '\n' || c == '\r') {
      end_line();
    } else {
      line_ += c;
    }
    if (line_.size() + data_.size() > kMaxEventBytes)
      return fail(ErrorKind::too_large, "an event has more than {} bytes", kMaxEventBytes);
  }
  return events;
}

std::span<const RemoteProvider> remote_providers() { return kProviders; }

Result<const RemoteProvider*> find_remote_provider(std::string_view name) {
  for (const RemoteProvider& provider : kProviders) {
    if (provider.name == name) return &provider;
  }
  return fail(ErrorKind::invalid_argument,
              "there is no provider \"{}\"; known are openai, anthropic, zhipu and dashscope",
              name);
}

Result<std::string> read_remote_key(const RemoteProvider& provider, const std::string& file,
                                    const std::string& variable) {
  std::string key;
  if (!file.empty()) {
    struct stat status = {};
    if (::stat(file.c_str(), &status) != 0)
      return fail(ErrorKind::not_found, "{}: there is no such file with a key", file);
    if ((status.st_mode & 077) != 0) {
      return fail(ErrorKind::invalid_argument, "{}: others can read this key; run chmod 600 on it",
                  file);
    }
    TRY(key, read_file(file, kMaxKeyBytes));
  } else {
    const std::string name = variable.empty() ? std::string(provider.key_variable) : variable;
    const char* value = std::getenv(name.c_str());
    if (!value || !*value) {
      return fail(ErrorKind::not_found,
                  "no key for {}: set {}, or name a file that only you can read", provider.name,
                  name);
    }
    key = value;
  }
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r' || key.back() == ' '))
    key.pop_back();
  const bool is_good = !key.empty() && std::all_of(key.begin(), key.end(),
                                                   [](char c) { return c > ' ' && c < 0x7F; });
  if (!is_good) {
    return fail(ErrorKind::invalid_argument,
                "the key of {} is empty or has characters that no key has", provider.name);
  }
  return key;
}

Result<std::unique_ptr<ChatBackend>> make_remote_backend(RemoteOptions options,
                                                         std::shared_ptr<HttpClient> client) {
  TRY(const RemoteProvider* provider, find_remote_provider(options.provider));
  if (options.model.empty())
    return fail(ErrorKind::invalid_argument, "a remote model needs the provider's name for it");
  return std::unique_ptr<ChatBackend>(
      std::make_unique<RemoteBackend>(std::move(options), *provider, std::move(client)));
}

}  // namespace jiang
