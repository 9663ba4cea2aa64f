#include "server/gate.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/ascii.h"

namespace jiang {
namespace {

std::optional<std::vector<uint8_t>> address_bytes(std::string_view address) {
  const std::string text(address);
  in6_addr v6 = {};
  in_addr v4 = {};
  std::vector<uint8_t> bytes(16, 0);
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    bytes[10] = bytes[11] = 0xff;
    const auto* raw = reinterpret_cast<const uint8_t*>(&v4.s_addr);
    std::copy(raw, raw + 4, bytes.begin() + 12);
    return bytes;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return std::nullopt;
  std::copy(v6.s6_addr, v6.s6_addr + 16, bytes.begin());
  return bytes;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return ascii_lower(a) == ascii_lower(b);
}

bool changes_something(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// A page of another site can send only these three without asking first: none is JSON.
bool is_json(std::string_view content_type) {
  const std::string_view type = trim_ascii(content_type.substr(0, content_type.find(';')), " \t");
  const std::string_view suffix = "+json";
  return equals_ignoring_case(type, "application/json") ||
         (type.size() > suffix.size() &&
          equals_ignoring_case(type.substr(type.size() - suffix.size()), suffix));
}

size_t count_headers(const HttpRequest& request, std::string_view name) {
  return static_cast<size_t>(
      std::count_if(request.headers.begin(), request.headers.end(),
                    [&](const auto& header) { return header.first == name; }));
}

// Before a route is known, the path tells whose form an error should have.
ApiDialect dialect_of(std::string_view path) {
  if (path.substr(0, 5) == "/api/") return ApiDialect::ollama;
  if (path.substr(0, 7) == "/jiang/") return ApiDialect::jiang;
  if (path.substr(0, 12) == "/v1/messages") return ApiDialect::anthropic;
  return ApiDialect::openai;
}

bool is_token_list(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == ',' || c == ' ';
  });
}

}  // namespace

Credentials credentials_of(const HttpRequest& request) {
  Credentials found;
  const std::string_view authorization = request.header("authorization");
  if (!authorization.empty()) {
    const size_t space = std::min(authorization.find(' '), authorization.size());
    if (equals_ignoring_case(authorization.substr(0, space), "bearer")) {
      found.key = trim_ascii(authorization.substr(space), " \t");
    } else {
      found.is_malformed = true;
    }
  }
  const std::string_view api_key = request.header("x-api-key");
  if (!api_key.empty()) {
    if (!found.key.empty() && found.key != api_key) found.is_malformed = true;
    found.key = api_key;
  }
  if (count_headers(request, "authorization") > 1 || count_headers(request, "x-api-key") > 1)
    found.is_malformed = true;
  found.session = request.cookie("jiang_session");
  return found;
}

Result<Gate> Gate::create(GateOptions options, RouteTable routes) {
  std::string& base = options.base_path;
  while (!base.empty() && base.back() == '/') base.pop_back();
  if (!base.empty() && (base[0] != '/' || !parse_target(base))) {
    return fail(ErrorKind::invalid_argument,
                "--base-path {}: must begin with / and be a URL's path, such as /proxy/8080", base);
  }
  for (std::string& host : options.allow_hosts) {
    if (host == "*") continue;
    const auto authority = parse_authority(host);
    if (!authority)
      return fail(ErrorKind::invalid_argument, "--allow-host {}: not the name of a host", host);
    host = authority->host;
  }
  for (const std::string& origin : options.allow_origins) {
    std::string scheme;
    if (origin != "*" && !parse_origin(origin, scheme) && origin.find("://") == std::string::npos) {
      return fail(ErrorKind::invalid_argument,
                  "--allow-origin {}: must be like https://example.com, or *", origin);
    }
  }
  std::vector<Network> proxies;
  for (const std::string& text : options.trusted_proxies) {
    const size_t slash = std::min(text.find('/'), text.size());
    const auto bytes = address_bytes(std::string_view(text).substr(0, slash));
    Network network;
    bool is_good = bytes.has_value();
    if (is_good) network.bytes = *bytes;
    if (is_good && slash < text.size()) {
      const int most = text.find(':') == std::string::npos ? 32 : 128;
      int bits = -1;
      const char* end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
      is_good = parsed.ec == std::errc() && parsed.ptr == end && bits >= 0 && bits <= most;
      network.bits = 128 - most + bits;
    }
    if (!is_good) {
      return fail(ErrorKind::invalid_argument,
                  "--trusted-proxy {}: must be an address or a network such as 10.0.0.0/8", text);
    }
    proxies.push_back(std::move(network));
  }
  return Gate(std::move(options), std::move(routes), std::move(proxies));
}

Gate::Gate(GateOptions options, RouteTable routes, std::vector<Network> proxies)
    : options_(std::move(options)),
      routes_(std::move(routes)),
      proxies_(std::move(proxies)),
      requests_(std::make_unique<RateLimit>(options_.requests_per_minute)),
      wrong_keys_(std::make_unique<RateLimit>(options_.wrong_keys_per_minute)) {}

bool Gate::is_trusted(std::string_view address) const {
  const auto bytes = address_bytes(address);
  if (!bytes) return false;
  return std::any_of(proxies_.begin(), proxies_.end(), [&](const Network& network) {
    for (int bit = 0; bit < network.bits; ++bit) {
      const auto byte = static_cast<size_t>(bit / 8);
      const int mask = 0x80 >> (bit % 8);
      if (((*bytes)[byte] & mask) != (network.bytes[byte] & mask)) return false;
    }
    return true;
  });
}

bool Gate::is_host_allowed(const Authority& host) const {
  if (is_loopback_host(host)) return true;
  // A page that rebinds its name to our address still sends its name: addresses are safe. On
  // loopback nobody reaches us by another one.
  if (host.is_address && !options_.is_on_loopback) return true;
  return std::any_of(
      options_.allow_hosts.begin(), options_.allow_hosts.end(),
      [&](const std::string& allowed) { return allowed == "*" || allowed == host.host; });
}

void Gate::believe_proxy(HttpRequest& request, std::string& own_authority) const {
  if (!is_trusted(request.address)) return;
  // The last address that is not a proxy of ours: what stands before it anybody can write.
  std::string_view chain = request.header("x-forwarded-for");
  while (!chain.empty()) {
    const size_t comma = chain.rfind(',');
    const std::string_view last =
        trim_ascii(comma == std::string_view::npos ? chain : chain.substr(comma + 1), " \t");
    if (!address_bytes(last)) break;
    request.address = last;
    if (!is_trusted(last) || comma == std::string_view::npos) break;
    chain = chain.substr(0, comma);
  }
  if (const auto proto = request.header("x-forwarded-proto"); !proto.empty())
    request.is_secure = equals_ignoring_case(proto, "https");
  if (const auto host = request.header("x-forwarded-host"); !host.empty())
    own_authority = trim_ascii(host.substr(0, host.find(',')), " \t");
}

std::optional<ApiError> Gate::check_origin(HttpRequest& request, std::string_view own_authority,
                                           HeaderList& cors) const {
  const std::string_view origin = request.header("origin");
  const std::string_view site = request.header("sec-fetch-site");
  if (origin.empty()) {
    request.is_own_page = site.empty() || site == "same-origin" || site == "none";
    if (site != "cross-site" || request.header("sec-fetch-mode") == "navigate") return std::nullopt;
    return ApiError{.status = 403,
                    .message = "a page of another site may not load this",
                    .code = "foreign_origin"};
  }
  std::string scheme;
  const auto from = parse_origin(origin, scheme);
  const auto own = parse_authority(own_authority);
  const auto is_one_of = [](const std::vector<std::string>& allowed, std::string_view name) {
    return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  };
  const auto port_of = [](const Authority& authority, bool is_secure) {
    return !authority.port.empty() ? authority.port : std::string(is_secure ? "443" : "80");
  };
  const bool is_same = from && own && from->host == own->host &&
                       port_of(*from, scheme == "https") == port_of(*own, request.is_secure);
  // A proxy may have put another Host in front of us: its own name was given as --allow-host.
  if (is_same || (from && is_one_of(options_.allow_hosts, from->host))) return std::nullopt;

  request.is_own_page = false;
  const bool is_allowed = is_one_of(options_.allow_origins, "*") ||
                          is_one_of(options_.allow_origins, origin) ||
                          (from && is_loopback_host(*from));
  if (!is_allowed) {
    return ApiError{.status = 403,
                    .message = "pages of " + log_text(origin) +
                               " may not call this server; name them with --allow-origin",
                    .code = "foreign_origin"};
  }
  // Never with credentials: a cookie is for our own page only.
  cors.emplace_back("access-control-allow-origin", origin);
  cors.emplace_back("vary", "origin");
  cors.emplace_back("access-control-expose-headers", "x-request-id, x-jiang-ignored, retry-after");
  return std::nullopt;
}

Gate::Verdict Gate::check(HttpRequest& request, std::string_view target, std::string_view peer,
                          bool is_tls) const {
  Verdict verdict;
  request.address = peer;
  request.is_secure = is_tls;
  const auto refuse = [&](const ApiError& error) {
    verdict.answer = error_response(
        verdict.route != nullptr ? verdict.route->dialect : dialect_of(request.path), error);
    return verdict;
  };

  auto parsed = parse_target(target);
  if (!parsed) return refuse(bad_request("the request's target is not a path"));
  request.path = std::move(parsed->path);
  request.query = std::move(parsed->query);
  const std::string& base = options_.base_path;
  if (!base.empty() && request.path.compare(0, base.size(), base) == 0 &&
      (request.path.size() == base.size() || request.path[base.size()] == '/')) {
    request.path.erase(0, base.size());
    if (request.path.empty()) request.path = "/";
  }

  if (count_headers(request, "host") > 1) return refuse(bad_request("two Host headers"));
  std::string own_authority(request.header("host"));
  const auto host = parse_authority(own_authority);
  believe_proxy(request, own_authority);
  const auto named = parse_authority(own_authority);
  if (!host || !named || !is_host_allowed(*named)) {
    return refuse({.status = 403,
                   .message = "this server is not called " + log_text(own_authority) +
                              "; name it with --allow-host if it shall be",
                   .code = "foreign_host"});
  }
  if (const auto error = check_origin(request, own_authority, verdict.headers))
    return refuse(*error);

  RouteTable::Match match = routes_.match(request.method, request.path);
  if (request.method == "OPTIONS" && match.route == nullptr && !match.allow.empty()) {
    HttpResponse preflight{.status = 204, .content_type = ""};
    preflight.headers.emplace_back("allow", match.allow);
    if (!request.header("access-control-request-method").empty()) {
      preflight.headers.emplace_back("access-control-allow-methods", match.allow);
      const auto wanted = request.header("access-control-request-headers");
      if (!wanted.empty() && is_token_list(wanted))
        preflight.headers.emplace_back("access-control-allow-headers", wanted);
      preflight.headers.emplace_back("access-control-max-age", "600");
      if (request.header("access-control-request-private-network") == "true")
        preflight.headers.emplace_back("access-control-allow-private-network", "true");
    }
    verdict.answer = std::move(preflight);
    return verdict;
  }
  if (match.route == nullptr) {
    if (match.allow.empty()) {
      return refuse({.status = 404,
                     .message = "no such path: " + log_text(request.path),
                     .code = "not_found"});
    }
    refuse({.status = 405,
            .message = log_text(request.path) + " knows " + match.allow + ", not " +
                       log_text(request.method, 20),
            .code = "method_not_allowed"});
    verdict.answer->headers.emplace_back("allow", match.allow);
    return verdict;
  }
  verdict.route = match.route;
  request.params = std::move(match.params);
  if (match.is_malformed)
    return refuse(bad_request("the path has an escape that is not UTF-8 text"));
  const auto encoding = request.header("content-encoding");
  if (!encoding.empty() && encoding != "identity") {
    return refuse({.status = 415,
                   .message = "bodies with Content-Encoding are not taken; send it plain",
                   .code = "unsupported_encoding"});
  }
  // Programs send JSON under all kinds of names; a browser's page must name it, for that makes the
  // browser ask us first.
  const bool is_browser =
      !request.header("origin").empty() || !request.header("sec-fetch-site").empty();
  if (is_browser && changes_something(request.method) && !is_json(request.header("content-type")) &&
      request.header("content-length") != "0" &&
      (!request.header("content-length").empty() || !request.header("transfer-encoding").empty())) {
    return refuse({.status = 415,
                   .message = "send the body as Content-Type: application/json",
                   .code = "unsupported_media_type"});
  }
  return verdict;
}

std::optional<HttpResponse> Gate::authorize(HttpRequest& request, const Route& route,
                                            Authenticator& authenticator) const {
  const auto refuse = [&](ApiError error) { return error_response(route.dialect, error); };
  const Credentials credentials = credentials_of(request);
  const bool has_keys = authenticator.has_keys();
  const bool is_local = options_.is_on_loopback && is_loopback_address(request.address);
  bool is_key_wrong = false;

  // Where no key exists, programs still send one: clients insist on it.
  if (has_keys && !credentials.key.empty() && !credentials.is_malformed) {
    if (const int seconds = wrong_keys_->wait(request.address); seconds > 0) {
      return refuse({.status = 429,
                     .message = "too many keys that are not valid came from your address",
                     .code = "rate_limit_exceeded",
                     .retry_after = seconds});
    }
    auto caller = authenticator.of_key(credentials.key);
    if (!caller) return refuse(api_error(caller.error()));
    if (*caller) request.caller = **caller;
    is_key_wrong = !caller->has_value();
    if (is_key_wrong) wrong_keys_->take(request.address);
  } else if (!credentials.session.empty()) {
    auto caller = authenticator.of_session(credentials.session);
    if (!caller) return refuse(api_error(caller.error()));
    if (*caller) {
      request.caller = **caller;
      request.caller.by_session = true;
    }
  }
  if (request.caller.kind == Caller::Kind::nobody && !has_keys && is_local)
    request.caller.kind = Caller::Kind::keyless;

  if (!may(request.caller, route.access)) {
    if (credentials.is_malformed && has_keys) {
      return refuse({.status = 401,
                     .message = "send one key, as Authorization: Bearer KEY or x-api-key: KEY",
                     .code = "invalid_api_key"});
    }
    switch (request.caller.kind) {
      case Caller::Kind::nobody:
        return refuse({.status = 401,
                       .message = is_key_wrong ? "this key is not valid"
                                               : "a key is needed: Authorization: Bearer KEY",
                       .code = is_key_wrong ? "invalid_api_key" : "login_required"});
      case Caller::Kind::keyless:
        return refuse({.status = 401,
                       .message = "log in first: open the link that jiang serve printed",
                       .code = "login_required"});
      default:
        return refuse(
            {.status = 403,
             .message = "not allowed for " + std::string(name_of(request.caller.kind)) + "s",
             .code = "forbidden"});
    }
  }
  if (request.caller.by_session && changes_something(request.method) && !request.is_own_page) {
    return refuse({.status = 403,
                   .message = "only the server's own page may do this with a session",
                   .code = "foreign_origin"});
  }
  if (route.access != Access::open && changes_something(request.method)) {
    if (const int seconds = requests_->take(request.caller.account(request.address)); seconds > 0) {
      return refuse(
          {.status = 429,
           .message = fmt::format("more than {} requests a minute", options_.requests_per_minute),
           .code = "rate_limit_exceeded",
           .retry_after = seconds});
    }
  }
  return std::nullopt;
}

}  // namespace jiang
