// HttpClient: requests to other machines, by libcurl, whose header stays in http_client.cpp.
// JIANG_OFFLINE=1 makes every request fail with a sentence. The usual variables are honoured:
// https_proxy, no_proxy, SSL_CERT_FILE. A redirect from https to http is refused.
//
// A client may be used from several threads at once; each call uses a connection of a shared pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace jiang {

// Of a URL, as the one parser that also connects sees it.
struct UrlParts {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case
  int32_t port = 0;
  bool has_user = false;  // user:password@
};

struct HttpRequestOptions {
  std::string method = "GET";
  std::string url = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  double connect_seconds = 15;
  double stall_seconds = 60;  // less than one byte in this time is a failure; 0: never
  double total_seconds = 0;   // 0: no bound
  int32_t max_redirects = 5;  // each hop must be http or https, and passes `allow_address`
  uint64_t max_bytes = uint64_t{64} << 20;  // of the body; more is an error
  // Credentials (authorization, cookie, x-api-key) are dropped when a redirect changes host.
  // Called with the numeric address before each connection; an error refuses it (SSRF guard).
  // Such a request goes through no proxy and over no older connection: both hide the address.
  std::function<Status(std::string_view host, std::string_view address)> allow_address = {};
  // Called with every hop's URL before it is asked; an error refuses it.
  std::function<Status(const UrlParts& url)> allow_url = {};
  // Called with each piece of the body as it comes; then HttpClientResponse::body stays empty. An
  // error ends the transfer and is returned.
  std::function<Status(std::string_view piece)> on_body = {};
  // Called before the body with the status and headers of the last hop.
  std::function<Status(int status, const std::vector<std::pair<std::string, std::string>>&)>
      on_headers = {};
  // Polled several times a second; true ends the transfer with ErrorKind::cancelled.
  std::function<bool()> cancelled = {};
};

// Not of the same name as what the server answers with: two types of one name in one program would
// be one to the linker.
struct HttpClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string url;  // after redirects
  std::optional<std::string> header(std::string_view name) const;
};

class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> create();
  virtual ~HttpClient() = default;
  // An answer of any status is a response; only what prevents an answer is an error: of kind io
  // when trying again may help, of another kind (a certificate, a URL, too long) when it cannot.
  virtual Result<HttpClientResponse> send(const HttpRequestOptions& request) = 0;
};

}  // namespace jiang
