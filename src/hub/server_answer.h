// What a server's answer to a request for a file's bytes means (RFC 9110, sections 13 to 15).
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace jiang {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;  // names in lower case

// "": not among them.
std::string find_header(const HttpHeaders& headers, std::string_view name);

// "bytes 0-99/1000": begin 0, end 100, total 1000; "/*" is no total.
struct ContentRange {
  uint64_t begin = 0, end = 0;
  std::optional<uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// What one attempt at bytes ended with.
struct Attempt {
  enum class Kind { done, retry, restart, give_up } kind = Kind::done;
  Error error = {};
  double wait_seconds = 0;  // as the server asked
};

// Of a status that is neither 200 nor 206. `label` names the file in its message.
Attempt judge_status(const std::string& label, int status, const HttpHeaders& headers);

// The beginning of what came instead of the file, on one line of ASCII.
constexpr size_t kShownBytes = 200;
std::string shown_beginning(std::string_view body);

// The strong ETag that answers agree on (13.1.5: a weak one may not stand in If-Range).
// Thread-safe.
class Validator {
 public:
  // Whether this answer is of the file that the ones before were of, as far as one can tell. From
  // here on it is the one to agree with.
  bool agrees(const HttpHeaders& headers);
  std::string value() const;  // "": none was told

 private:
  mutable std::mutex mutex_;
  std::string etag_;
};

}  // namespace jiang
