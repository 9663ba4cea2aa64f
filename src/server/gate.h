// Gate: what every request passes before a byte of its body is read: target, Host, Origin, route,
// content type, and who asks. One place for all dialects and all spellings of a path.
//
// Const after construction but for the counts of its limits; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/auth.h"
#include "server/errors.h"
#include "server/http.h"
#include "server/http_text.h"
#include "server/rate_limit.h"
#include "server/route.h"

namespace jiang {

struct GateOptions {
  std::string base_path = {};  // "/dsw-1/proxy/8080"; requests without it are understood, too
  bool is_on_loopback = true;  // where the server listens
  std::vector<std::string> allow_hosts = {};    // names for the Host header; "*": any
  std::vector<std::string> allow_origins = {};  // further pages that may call us; "*": any
  // Addresses and networks ("10.0.0.0/8") whose X-Forwarded-* are believed.
  std::vector<std::string> trusted_proxies = {};
  int requests_per_minute = 0;     // of an account, all that only read aside; 0: no limit
  int wrong_keys_per_minute = 60;  // of an address; beyond, no key of it is looked up
};

struct Credentials {
  std::string key = {};
  std::string session = {};
  bool is_malformed = false;  // two keys that differ, or not a Bearer
};
Credentials credentials_of(const HttpRequest& request);

class Gate {
 public:
  static Result<Gate> create(GateOptions options, RouteTable routes);

  struct Verdict {
    const Route* route = nullptr;
    // Set: the answer is known already (a refusal, a preflight) and the request goes no further.
    std::optional<HttpResponse> answer = {};
    HeaderList headers = {};  // to be added to whatever is answered
  };
  // `request` has method and headers; path, query, params, address and is_secure are filled in.
  Verdict check(HttpRequest& request, std::string_view target, std::string_view peer,
                bool is_tls) const;

  // Fills in the caller and says whether they may. May wait for a database.
  std::optional<HttpResponse> authorize(HttpRequest& request, const Route& route,
                                        Authenticator& authenticator) const;

  // One of the proxies.
  bool is_trusted(std::string_view address) const;
  const RouteTable& routes() const { return routes_; }

 private:
  struct Network {
    std::vector<uint8_t> bytes;  // 16, IPv4 mapped
    int bits = 128;
  };
  Gate(GateOptions options, RouteTable routes, std::vector<Network> proxies);
  bool is_host_allowed(const Authority& host) const;
  std::optional<ApiError> check_origin(HttpRequest& request, std::string_view own_authority,
                                       HeaderList& cors) const;
  void believe_proxy(HttpRequest& request, std::string& own_authority) const;

  GateOptions options_;
  RouteTable routes_;
  std::vector<Network> proxies_;
  std::unique_ptr<RateLimit> requests_;
  std::unique_ptr<RateLimit> wrong_keys_;
};

}  // namespace jiang
