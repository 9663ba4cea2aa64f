// Bodies of /v1/messages: any JSON at all is a request or an error that says something.
#include <cstdint>
#include <cstdlib>

#include "server/anthropic_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  jiang::HttpRequest request;
  request.body.assign(reinterpret_cast<const char*>(data), size);
  jiang::AnthropicBody body;
  jiang::HeaderList headers;
  jiang::ChatRequest chat;
  std::vector<std::string> ignored;
  auto error = jiang::read_body(request, body, headers);
  if (!error) error = jiang::read_anthropic_body(body, chat, ignored);
  if (error ? error->message.empty() : chat.messages.empty()) std::abort();
  return 0;
}
