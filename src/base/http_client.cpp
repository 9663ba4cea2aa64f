#include "base/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <mutex>

#include "base/ascii.h"
#include "base/offline.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr int kPollMillis = 200;
constexpr size_t kMaxHeaderBytes = size_t{256} << 10;
constexpr size_t kMaxIdle = 16;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A parsed URL. curl connects to the very object that was checked: no second parser to disagree.
class Url {
 public:
  static Result<Url> parse(const std::string& text) {
    Url url;
    if (!url.set(text)) {
      return fail(ErrorKind::invalid_argument,
                  "'{}' is not a URL that begins with https:// or "
                  "http://",
                  text);
    }
    return url;
  }
  Url(Url&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Url& operator=(Url&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Url() { curl_url_cleanup(handle_); }

  // Relative text is resolved against what is held.
  bool set(const std::string& text) {
    if (text.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos) return false;
    if (curl_url_set(handle_, CURLUPART_URL, text.c_str(), CURLU_URLENCODE) != CURLUE_OK) {
      return false;
    }
    const std::string scheme = part(CURLUPART_SCHEME);
    return scheme == "http" || scheme == "https";
  }
  std::string part(CURLUPart which, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle_, which, &text, flags) != CURLUE_OK) return "";
    std::string out = text;
    curl_free(text);
    return out;
  }
  std::string scheme() const { return part(CURLUPART_SCHEME); }
  std::string host() const { return ascii_lower(part(CURLUPART_HOST)); }
  std::string origin() const {
    return scheme() + "://" + host() + ":" + part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
  }
  // For messages and results: neither a password nor a signature belongs into either.
  std::string without_user() const {
    std::string text = origin_as_written() + part(CURLUPART_PATH);
    const std::string query = part(CURLUPART_QUERY);
    return query.empty() ? text : text + "?" + query;
  }
  std::string shown() const { return origin_as_written() + part(CURLUPART_PATH); }
  UrlParts parts() const {
    return {.scheme = scheme(),
            .host = host(),
            .port = std::atoi(part(CURLUPART_PORT, CURLU_DEFAULT_PORT).c_str()),
            .has_user = !part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty()};
  }
  CURLU* get() const { return handle_; }

 private:
  Url() : handle_(curl_url()) {}
  std::string origin_as_written() const {
    const std::string port = part(CURLUPART_PORT);
    return scheme() + "://" + host() + (port.empty() ? "" : ":" + port);
  }
  CURLU* handle_;
};

bool is_credential(std::string_view name) {
  static constexpr std::string_view kNames[] = {"authorization", "cookie",  "proxy-authorization",
                                                "x-api-key",     "api-key", "x-goog-api-key"};
  const std::string wanted = ascii_lower(name);
  return std::find(std::begin(kNames), std::end(kNames), wanted) != std::end(kNames);
}

// What curl's callbacks work on during one hop.
struct Hop {
  const HttpRequestOptions& request;
  bool may_follow = false;
  HttpClientResponse response;
  size_t header_bytes = 0;
  uint64_t body_bytes = 0;
  uint64_t uploaded = 0;
  bool headers_done = false;
  bool is_redirect = false;
  std::string host;
  std::optional<Error> error;    // ends the transfer
  std::optional<Error> refused;  // by allow_address; another address may still do
  Clock::time_point last_activity = Clock::now();
};

bool is_redirect_status(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

size_t on_header(char* text, size_t size, size_t count, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  const size_t n_bytes = size * count;
  const std::string_view line(text, n_bytes);
  hop.last_activity = Clock::now();
  hop.header_bytes += n_bytes;
  if (hop.header_bytes > kMaxHeaderBytes) {
    hop.error = fail(ErrorKind::too_large, "{} sends more than {} bytes of headers", hop.host,
                     kMaxHeaderBytes);
    return 0;
  }
  if (hop.headers_done) return n_bytes;  // trailers
  if (line.rfind("HTTP/", 0) == 0) {     // also after a 100 Continue or a proxy's answer
    hop.response.headers.clear();
    const size_t space = line.find(' ');
    hop.response.status =
        space == std::string_view::npos ? 0 : std::atoi(std::string(line.substr(space)).c_str());
    return n_bytes;
  }
  const std::string_view content = trim_ascii(line);
  if (!content.empty()) {
    const size_t colon = content.find(':');
    if (colon != std::string_view::npos) {
      hop.response.headers.emplace_back(ascii_lower(trim_ascii(content.substr(0, colon))),
                                        trim_ascii(content.substr(colon + 1)));
    }
    return n_bytes;
  }
  if (hop.response.status < 200) return n_bytes;
  hop.headers_done = true;
  hop.is_redirect = hop.may_follow && is_redirect_status(hop.response.status) &&
                    hop.response.header("location").has_value();
  if (!hop.is_redirect && hop.request.on_headers) {
    auto status = hop.request.on_headers(hop.response.status, hop.response.headers);
    if (!status) {
      hop.error = std::move(status).error();
      return 0;
    }
  }
  return n_bytes;
}

size_t on_write(char* bytes, size_t size, size_t count, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  const size_t n_bytes = size * count;
  hop.body_bytes += n_bytes;
  hop.last_activity = Clock::now();
  if (hop.is_redirect) return hop.body_bytes <= kMaxHeaderBytes ? n_bytes : 0;
  if (hop.body_bytes > hop.request.max_bytes) {
    hop.error = fail(ErrorKind::too_large, "the answer of {} is longer than {} bytes", hop.host,
                     hop.request.max_bytes);
    return 0;
  }
  if (!hop.request.on_body) {
    hop.response.body.append(bytes, n_bytes);
    return n_bytes;
  }
  auto status = hop.request.on_body({bytes, n_bytes});
  hop.last_activity = Clock::now();  // what the receiver takes is not the network's stall
  if (!status) {
    hop.error = std::move(status).error();
    return 0;
  }
  return n_bytes;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t uploaded) {
  Hop& hop = *static_cast<Hop*>(user);
  if (static_cast<uint64_t>(uploaded) != hop.uploaded) {
    hop.uploaded = static_cast<uint64_t>(uploaded);
    hop.last_activity = Clock::now();
  }
  return 0;
}

curl_socket_t on_open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  Hop& hop = *static_cast<Hop*>(user);
  char text[INET6_ADDRSTRLEN] = {};
  const void* raw = nullptr;
  if (address->family == AF_INET) {
    raw = &reinterpret_cast<const sockaddr_in*>(&address->addr)->sin_addr;
  } else if (address->family == AF_INET6) {
    raw = &reinterpret_cast<const sockaddr_in6*>(&address->addr)->sin6_addr;
  }
  if (!raw || !inet_ntop(address->family, raw, text, sizeof(text))) return CURL_SOCKET_BAD;
  auto allowed = hop.request.allow_address(hop.host, text);
  if (!allowed) {
    hop.refused = std::move(allowed).error();
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// One connection cache for one thread at a time.
struct Connection {
  CURLM* multi = curl_multi_init();
  CURL* easy = curl_easy_init();
  ~Connection() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
};

Error transfer_error(CURLcode code, const Url& url, const char* detail) {
  const std::string host = url.host();
  const std::string why = *detail ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return fail(ErrorKind::io,
                  "the name {} cannot be found; is the network up, and is a proxy "
                  "needed (https_proxy)?",
                  host);
    case CURLE_COULDNT_RESOLVE_PROXY:
      return fail(ErrorKind::io, "the name of the proxy cannot be found: {}; see https_proxy", why);
    case CURLE_COULDNT_CONNECT:
      return fail(ErrorKind::io, "no connection to {}: {}", host, why);
    // These do not pass by trying again.
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return fail(ErrorKind::unsupported,
                  "the certificate of {} is not to be trusted: {}; behind a "
                  "proxy with a certificate of its own, name that file in SSL_CERT_FILE",
                  host, why);
    case CURLE_SSL_CACERT_BADFILE:
      return fail(ErrorKind::unsupported, "the certificates in SSL_CERT_FILE cannot be read: {}",
                  why);
    case CURLE_OPERATION_TIMEDOUT:
      return fail(ErrorKind::io, "{} took too long: {}", host, why);
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return fail(ErrorKind::io, "the connection to {} broke: {}", host, why);
    default:
      return fail(ErrorKind::io, "{}: {}", url.shown(), why);
  }
}

class CurlClient : public HttpClient {
 public:
  ~CurlClient() override = default;

  Result<HttpClientResponse> send(const HttpRequestOptions& request) override {
    TRY_STATUS(check_online(request.url));
    TRY_STATUS(check_headers(request));
    TRY(Url url, Url::parse(request.url));
    Call call = {.request = request,
                 .headers = request.headers,
                 .method = request.method,
                 .body = request.body};
    std::unique_ptr<Connection> connection = take();
    for (int32_t hop = 0;; ++hop) {
      if (request.allow_url) {
        TRY_STATUS(request.allow_url(url.parts()));
      }
      auto outcome = perform(*connection, call, url, hop < request.max_redirects);
      if (!outcome) {
        if (!request.allow_address) give_back(std::move(connection));
        return std::move(outcome).error();
      }
      if (!outcome->is_redirect) {
        if (is_redirect_status(outcome->response.status) && request.max_redirects > 0 &&
            outcome->response.header("location")) {
          return fail(ErrorKind::io, "{} redirects more than {} times", url.shown(),
                      request.max_redirects);
        }
        outcome->response.url = url.without_user();
        if (!request.allow_address) give_back(std::move(connection));
        return std::move(outcome->response);
      }
      TRY_STATUS(follow(call, url, outcome->response));
    }
  }

 private:
  struct Call {
    const HttpRequestOptions& request;
    Headers headers;
    std::string method;
    std::string_view body;
    Clock::time_point start = Clock::now();
  };

  static Status check_headers(const HttpRequestOptions& request) {
    const auto is_plain = [](std::string_view text) {
      return text.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
    };
    for (const auto& [name, value] : request.headers) {
      if (!is_plain(name) || !is_plain(value) || name.empty() ||
          name.find(':') != std::string::npos) {
        return fail(ErrorKind::invalid_argument, "a header's name or value has a line break in it");
      }
    }
    if (request.method.empty() || !is_plain(request.method) ||
        request.method.find(' ') != std::string::npos) {
      return fail(ErrorKind::invalid_argument, "'{}' is not an HTTP method", request.method);
    }
    return ok();
  }

  // `url` and `call` become those of the next hop.
  static Status follow(Call& call, Url& url, const HttpClientResponse& response) {
    const std::string from = url.origin(), shown = url.shown();
    const bool was_secure = url.scheme() == "https";
    const std::string location = *response.header("location");
    if (!url.set(location)) {
      return fail(ErrorKind::io, "{} redirects to '{}', which is not http or https", shown,
                  location.substr(0, 200));
    }
    if (was_secure && url.scheme() != "https") {
      return fail(ErrorKind::io, "{} redirects from https to http, which is refused", shown);
    }
    if (url.origin() != from) {
      call.headers.erase(
          std::remove_if(call.headers.begin(), call.headers.end(),
                         [](const auto& header) { return is_credential(header.first); }),
          call.headers.end());
    }
    const int status = response.status;
    if ((status == 303 && call.method != "HEAD") ||
        ((status == 301 || status == 302) && call.method == "POST")) {
      call.method = "GET";
      call.body = {};
    }
    return ok();
  }

  static Result<Hop> perform(Connection& connection, const Call& call, const Url& url,
                             bool may_follow) {
    const HttpRequestOptions& request = call.request;
    Hop hop = {.request = request,
               .may_follow = may_follow,
               .response = {},
               .host = url.host(),
               .error = {},
               .refused = {}};
    CURL* easy = connection.easy;
    curl_easy_reset(easy);
    char detail[CURL_ERROR_SIZE] = {};
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> list(nullptr, curl_slist_free_all);
    const auto add_header = [&](const std::string& line) {
      curl_slist* longer = curl_slist_append(list.get(), line.c_str());
      JIANG_CHECK(longer, "out of memory");
      (void)list.release();
      list.reset(longer);
    };
    // curl's spelling: "Name;" is a header without a value.
    for (const auto& [name, value] : call.headers) {
      add_header(value.empty() ? name + ";" : name + ": " + value);
    }
    add_header("Expect:");  // no round trip before a body
    curl_easy_setopt(easy, CURLOPT_CURLU, url.get());
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list.get());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "jiang");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(std::ceil(request.connect_seconds * 1000)));
    if (call.method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (!call.body.empty() || call.method == "POST") {
      curl_easy_setopt(easy, CURLOPT_POST, 1L);
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(call.body.size()));
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call.body.data() ? call.body.data() : "");
    }
    if (call.method != "HEAD") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &hop);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &hop);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &hop);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    // The library itself does not look at what curl's tool and OpenSSL's programs look at.
    for (const char* variable : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
      if (const char* file = std::getenv(variable); file && *file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, file);
      }
    }
    if (request.allow_address) {
      // A proxy would connect where we cannot look, and so would a connection made for somebody
      // else's request.
      curl_easy_setopt(easy, CURLOPT_PROXY, "");
      curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
      curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
      curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
      curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &hop);
    }
    if (curl_multi_add_handle(connection.multi, easy) != CURLM_OK) {
      return fail(ErrorKind::io, "curl cannot start a transfer");
    }
    const CURLcode code = drive(connection, call, hop);
    curl_multi_remove_handle(connection.multi, easy);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, nullptr);  // it dies with this frame
    if (hop.error) return *std::move(hop.error);
    // Only the redirect's target matters, not what its page says.
    if (hop.is_redirect && code != CURLE_OK && hop.headers_done) return hop;
    if (code != CURLE_OK) {
      if (hop.refused) return *std::move(hop.refused);
      return transfer_error(code, url, detail);
    }
    return hop;
  }

  // Runs the transfer to its end; cancelling, stalls and the total time are ours to watch.
  static CURLcode drive(Connection& connection, const Call& call, Hop& hop) {
    const HttpRequestOptions& request = call.request;
    bool connected = false;
    while (true) {
      int running = 0;
      if (curl_multi_perform(connection.multi, &running) != CURLM_OK) return CURLE_FAILED_INIT;
      if (running == 0) break;
      if (request.cancelled && request.cancelled()) {
        hop.error = Error{ErrorKind::cancelled, "the request was cancelled"};
        return CURLE_ABORTED_BY_CALLBACK;
      }
      if (request.total_seconds > 0 && seconds_since(call.start) > request.total_seconds) {
        hop.error =
            fail(ErrorKind::io, "{} did not finish within {} s", hop.host, request.total_seconds);
        return CURLE_OPERATION_TIMEDOUT;
      }
      if (!connected) {
        curl_off_t micros = 0;
        curl_easy_getinfo(connection.easy, CURLINFO_PRETRANSFER_TIME_T, &micros);
        connected = micros > 0;
        hop.last_activity = Clock::now();
      } else if (request.stall_seconds > 0 &&
                 seconds_since(hop.last_activity) > request.stall_seconds) {
        hop.error =
            fail(ErrorKind::io, "{} sent nothing for {} s", hop.host, request.stall_seconds);
        return CURLE_OPERATION_TIMEDOUT;
      }
      if (curl_multi_poll(connection.multi, nullptr, 0, kPollMillis, nullptr) != CURLM_OK) {
        return CURLE_FAILED_INIT;
      }
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(connection.multi, &left)) {
      if (message->msg == CURLMSG_DONE && message->easy_handle == connection.easy) {
        return message->data.result;
      }
    }
    return CURLE_FAILED_INIT;
  }

  std::unique_ptr<Connection> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Connection>();
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }

  void give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(connection));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace

std::optional<std::string> HttpClientResponse::header(std::string_view name) const {
  const std::string wanted = ascii_lower(name);
  for (const auto& [key, value] : headers) {
    if (key == wanted) return value;
  }
  return std::nullopt;
}

Result<std::unique_ptr<HttpClient>> HttpClient::create() {
  static std::once_flag once;
  static CURLcode outcome = CURLE_OK;
  std::call_once(once, [] { outcome = curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (outcome != CURLE_OK) {
    return fail(ErrorKind::unsupported, "curl cannot start: {}", curl_easy_strerror(outcome));
  }
  return std::unique_ptr<HttpClient>(std::make_unique<CurlClient>());
}

}  // namespace jiang
