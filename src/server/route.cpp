#include "server/route.h"

#include <algorithm>

#include "base/check.h"
#include "server/http_text.h"

namespace jiang {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  size_t begin = 1;  // after the first slash
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    segments.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return segments;
}

bool is_rest(std::string_view segment) {
  return segment.size() > 3 && segment.front() == '{' && segment.substr(segment.size() - 2) == "*}";
}

bool is_parameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

}  // namespace

Handler answer_with(std::function<HttpResponse(const HttpRequest&)> handler) {
  return [handler = std::move(handler)](const RequestPtr& request, const ResponderPtr& responder) {
    responder->send(handler(*request));
  };
}

RouteTable::RouteTable(std::vector<Route> rows) : rows_(std::move(rows)) {
  for (const Route& row : rows_) {
    JIANG_CHECK(!row.pattern.empty() && row.pattern[0] == '/' && row.handler != nullptr,
                "a route needs a pattern and a handler: " + row.pattern);
    segments_.push_back(split(row.pattern));
    const auto same = std::count_if(rows_.begin(), rows_.end(), [&](const Route& other) {
      return other.method == row.method && other.pattern == row.pattern;
    });
    JIANG_CHECK(same == 1, "two routes for " + row.method + " " + row.pattern);
  }
}

RouteTable::Match RouteTable::match(std::string_view method, std::string_view path) const {
  Match match;
  if (path.empty() || path[0] != '/') return match;
  const std::vector<std::string> given = split(path);
  bool is_literal = false;  // "/v1/models" wins over "/v1/{x}", whatever their order
  for (size_t i = 0; i < rows_.size(); ++i) {
    const std::vector<std::string>& wanted = segments_[i];
    const bool takes_rest = is_rest(wanted.back());
    if (takes_rest ? given.size() < wanted.size() : given.size() != wanted.size()) continue;
    std::vector<std::string> params;
    bool fits = true;
    bool is_malformed = false;
    for (size_t s = 0; s < wanted.size() && fits; ++s) {
      if (!is_parameter(wanted[s])) {
        fits = wanted[s] == given[s];
        continue;
      }
      std::string raw = given[s];
      if (is_rest(wanted[s])) {
        for (size_t r = s + 1; r < given.size(); ++r) raw += "/" + given[r];
      }
      const auto decoded = percent_decoded(raw);
      is_malformed = is_malformed || !decoded;
      fits = !raw.empty();
      params.push_back(decoded.value_or(""));
    }
    if (!fits) continue;
    if (match.allow.find(rows_[i].method) == std::string::npos) {
      match.allow += (match.allow.empty() ? "" : ", ") + rows_[i].method;
      if (rows_[i].method == "GET") match.allow += ", HEAD";
    }
    const bool is_method =
        rows_[i].method == method || (method == "HEAD" && rows_[i].method == "GET");
    if (!is_method || (match.route != nullptr && (is_literal || !params.empty()))) continue;
    is_literal = params.empty();
    match.route = &rows_[i];
    match.params = std::move(params);
    match.is_malformed = is_malformed;
  }
  return match;
}

}  // namespace jiang
