// The parts of HTTP that are text of ours to read: targets, queries, hosts, cookies, forwarded
// addresses. Everything here takes what a stranger sent. No Boost, no allocation beyond the input.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http.h"

namespace jiang {

// "%2F" -> "/". nullopt: a bad escape, a zero byte, or not UTF-8.
std::optional<std::string> percent_decoded(std::string_view text);

struct RequestTarget {
  std::string path;  // as sent
  std::vector<std::pair<std::string, std::string>> query;
};
// Origin form ("/a?b=c") and absolute form ("http://host/a"). nullopt: anything else.
std::optional<RequestTarget> parse_target(std::string_view target);

// "a=1&b=%20" with "+" for a space.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text);

struct Authority {
  std::string host;         // lower case, without brackets
  std::string port;         // "" when absent
  bool is_address = false;  // an IP address
};
// "localhost:8080", "[::1]:80". nullopt: not a host.
std::optional<Authority> parse_authority(std::string_view text);
// Of "https://example.com:80": the authority; `scheme` "https". nullopt: "null" and other things.
std::optional<Authority> parse_origin(std::string_view origin, std::string& scheme);

bool is_loopback_host(const Authority& authority);   // localhost, *.localhost, 127/8, ::1
bool is_loopback_address(std::string_view address);  // numeric, also ::ffff:127.0.0.1

// The value of one cookie of a Cookie header; "" when absent.
std::string_view cookie_value(std::string_view header, std::string_view name);

// `text` with everything but printable ASCII as \xNN, cut to `limit`: for one line of a log.
std::string log_text(std::string_view text, size_t limit = 200);

// "Tue, 24 Nov 2026 09:00:00 GMT"
std::string http_date(int64_t unix_seconds);
const char* reason_phrase(int status);

}  // namespace jiang
