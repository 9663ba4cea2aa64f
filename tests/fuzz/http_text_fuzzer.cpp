// What a stranger's request line and headers hold, through our own readers: first line the target,
// second the Host, third the Origin, fourth cookies.
#include <cstdint>
#include <cstdlib>

#include "base/unicode.h"
#include "server/gate.h"

namespace {

const jiang::Gate& gate() {
  static const jiang::Gate made = [] {
    const auto handler =
        jiang::answer_with([](const jiang::HttpRequest&) { return jiang::HttpResponse{}; });
    std::vector<jiang::Route> routes = {
        {"GET", "/v1/models/{id*}", jiang::Access::model, handler},
        {"POST", "/v1/chat/completions", jiang::Access::model, handler},
        {"GET", "/a/{x}/b/{y}", jiang::Access::open, handler}};
    return jiang::Gate::create({.base_path = "/base",
                                .allow_hosts = {"jiang.example"},
                                .trusted_proxies = {"10.0.0.0/8", "::1"}},
                               jiang::RouteTable(std::move(routes)))
        .value();
  }();
  return made;
}

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view target = take_line(text);
  jiang::HttpRequest request;
  request.method = "GET";
  request.headers = {{"host", std::string(take_line(text))},
                     {"origin", std::string(take_line(text))},
                     {"cookie", std::string(take_line(text))},
                     {"x-forwarded-for", std::string(take_line(text))},
                     {"authorization", std::string(take_line(text))}};
  const auto verdict = gate().check(request, target, "10.0.0.1", false);
  if (verdict.route == nullptr && !verdict.answer) std::abort();
  if (!verdict.answer) {
    for (const std::string& param : request.params) {
      if (!jiang::is_valid_utf8(param) || param.find('\0') != std::string::npos) std::abort();
    }
  }
  for (const char c : jiang::log_text(target)) {
    if (c <= ' ' || c >= 0x7f) std::abort();
  }
  jiang::credentials_of(request);
  return 0;
}
