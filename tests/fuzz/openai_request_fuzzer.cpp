// Bodies of chat requests: any JSON at all is an answer or an error that says something.
#include <cstdint>
#include <cstdlib>

#include "server/fields.h"
#include "server/openai_request.h"
#include "server/sampling_fields.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  jiang::HttpRequest request;
  request.body.assign(reinterpret_cast<const char*>(data), size);
  jiang::Json body;
  if (const auto error = jiang::parse_object(request, body)) {
    if (error->message.empty()) std::abort();
    return 0;
  }
  jiang::SamplingFields sampling;
  jiang::HeaderList headers;
  if (!jiang::read_body(request, sampling, headers)) sampling.over({});
  jiang::Json messages = body.contains("messages") ? body["messages"] : jiang::Json();
  const jiang::Json tools = body.contains("tools") ? body["tools"] : jiang::Json();
  const jiang::Json choice = body.contains("tool_choice") ? body["tool_choice"] : jiang::Json();
  const jiang::Json format =
      body.contains("response_format") ? body["response_format"] : jiang::Json();
  jiang::ToolChoice tool_choice;
  jiang::ResponseFormat response_format;
  jiang::check_messages(messages);
  if (!jiang::check_tools(tools)) jiang::read_tool_choice(choice, tools, tool_choice);
  jiang::read_response_format(format, response_format);
  return 0;
}
