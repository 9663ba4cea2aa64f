// What the two protocols differ in: the request, and what a server-sent event means.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "chat/backend.h"
#include "chat/remote_backend.h"

namespace jiang {

struct RemoteRequest {
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// Reads the events of one answer.
class RemoteReader {
 public:
  virtual ~RemoteReader() = default;
  // The data of one event. Errors are of the provider, or of an event that is not understood.
  virtual Status read(const Json& event, std::deque<ChatEvent>& out) = 0;

  ChatFinish finish;
  bool has_ended = false;  // the provider said why it stopped
};

Result<RemoteRequest> openai_request(const RemoteOptions& options, const ChatRequest& request);
std::unique_ptr<RemoteReader> openai_reader();
Result<RemoteRequest> anthropic_request(const RemoteOptions& options, const ChatRequest& request);
std::unique_ptr<RemoteReader> anthropic_reader();

// Server-sent events, in pieces of any size -> the data of each.
class SseReader {
 public:
  // More than this in one event is an error.
  static constexpr size_t kMaxEventBytes = size_t{8} << 20;
  Result<std::vector<std::string>> feed(std::string_view bytes);

 private:
  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;
};

}  // namespace jiang
