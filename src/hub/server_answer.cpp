#include "hub/server_answer.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace jiang {

std::string find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (text.substr(0, 6) != "bytes ") return std::nullopt;
  const char *at = text.data() + 6, *last = text.data() + text.size();
  ContentRange range;
  uint64_t inclusive_end = 0;
  auto result = std::from_chars(at, last, range.begin);
  if (result.ec != std::errc() || result.ptr == last || *result.ptr != '-') return std::nullopt;
  result = std::from_chars(result.ptr + 1, last, inclusive_end);
  if (result.ec != std::errc() || result.ptr == last || *result.ptr != '/') return std::nullopt;
  range.end = inclusive_end + 1;
  uint64_t total = 0;
  const auto total_result = std::from_chars(result.ptr + 1, last, total);
  if (total_result.ec == std::errc() && total_result.ptr == last) range.total = total;
  if (range.end <= range.begin) return std::nullopt;
  return range;
}

Attempt judge_status(const std::string& label, int status, const HttpHeaders& headers) {
  Attempt attempt;
  attempt.kind = Attempt::Kind::retry;
  attempt.wait_seconds = std::max(std::atof(find_header(headers, "retry-after").c_str()), 0.0);
  attempt.error = fail(ErrorKind::io, "{}: the server answered {}", label, status);
  const bool may_pass = status == 408 || status == 425 || status == 429 || status >= 500 ||
                        status == 403 || status == 416;  // 403: a signed URL that ran out
  if (!may_pass) attempt.kind = Attempt::Kind::give_up;
  if (status == 404 || status == 410) attempt.error.kind = ErrorKind::not_found;
  if (status == 401 || find_header(headers, "x-error-code") == "GatedRepo") {
    attempt.kind = Attempt::Kind::give_up;
    attempt.error = fail(ErrorKind::unsupported,
                         "{}: the server wants a token that may read it (HF_TOKEN, "
                         "MODELSCOPE_API_TOKEN), or its conditions accepted on its page",
                         label);
  }
  return attempt;
}

std::string shown_beginning(std::string_view body) {
  std::string out;
  for (const char c : body.substr(0, kShownBytes)) {
    out += static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f ? c : ' ';
  }
  return out;
}

bool Validator::agrees(const HttpHeaders& headers) {
  const std::string etag = find_header(headers, "etag");
  if (etag.empty() || etag.starts_with("W/")) return true;
  const std::lock_guard lock(mutex_);
  const bool is_same = etag_.empty() || etag == etag_;
  etag_ = etag;
  return is_same;
}

std::string Validator::value() const {
  const std::lock_guard lock(mutex_);
  return etag_;
}

}  // namespace jiang
