// Parts of Ollama's bodies: any JSON at all is taken or an error that says something.
#include <cstdint>
#include <cstdlib>

#include "server/ollama_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  jiang::HttpRequest request;
  request.body.assign(reinterpret_cast<const char*>(data), size);
  jiang::Json body;
  if (jiang::parse_object(request, body)) return 0;
  const auto part = [&](const char* name) {
    return body.contains(name) ? body[name] : jiang::Json();
  };
  const auto check = [](const std::optional<jiang::ApiError>& error) {
    if (error && error->message.empty()) std::abort();
  };
  jiang::OllamaOptions options;
  std::optional<std::chrono::seconds> keep_alive;
  jiang::ResponseFormat format;
  std::optional<bool> think;
  check(jiang::read_fields(part("options"), options, "options."));
  check(jiang::read_keep_alive(part("keep_alive"), keep_alive));
  check(jiang::read_ollama_format(part("format"), format));
  check(jiang::read_think(part("think"), think));
  jiang::Json messages = part("messages");
  check(jiang::convert_ollama_messages(messages));
  return 0;
}
