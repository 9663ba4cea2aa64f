#include "cli/load_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/ascii.h"
#include "base/json_value.h"
#include "base/owned_descriptor.h"
#include "cli/interrupt.h"
#include "engine/random.h"

namespace jiang {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string make_request(const LoadPlan& plan, uint64_t number) {
  // Never twice the same words, so that no prefix cache can help.
  Random random(plan.seed * 1000003 + number);
  std::string text = fmt::format("Request {}:", number);
  static constexpr const char* kWords[] = {"river", "stone", "walk",  "quick", "seven", "green",
                                           "house", "light", "table", "cloud", "paper", "north"};
  for (int32_t i = 0; i < plan.prompt_words; ++i)
    text += std::string(" ") + kWords[random.next() % std::size(kWords)];
  Json body = {{"messages", Json::array({{{"role", "user"}, {"content", text}}})},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}},
               {"temperature", 0},
               {"max_tokens", plan.max_tokens}};
  if (plan.ignore_eos) body["ignore_eos"] = true;
  if (!plan.model.empty()) body["model"] = plan.model;
  const std::string json = to_string(body);
  std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nhost: {}:{}\r\ncontent-type: application/json\r\n"
      "content-length: {}\r\n",
      plan.path, plan.host, plan.port, json.size());
  if (!plan.key.empty()) request += "authorization: Bearer " + plan.key + "\r\n";
  return request + "\r\n" + json;
}

class Exchange {
 public:
  Exchange(OwnedDescriptor socket, std::string request)
      : socket_(std::move(socket)), request_(std::move(request)) {}

  pollfd wanted() const {
    const bool sends = sent_ < request_.size();
    return {
        .fd = socket_.get(), .events = static_cast<short>(sends ? POLLOUT : POLLIN), .revents = 0};
  }
  // False: it is over.
  bool advance() {
    if (sent_ < request_.size()) {
      const ssize_t n =
          send(socket_.get(), request_.data() + sent_, request_.size() - sent_, MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN;
      sent_ += static_cast<size_t>(n);
      return true;
    }
    char buffer[16384];
    const ssize_t n = recv(socket_.get(), buffer, sizeof buffer, 0);
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return finish();
    text_.append(buffer, static_cast<size_t>(n));
    if (has_head_) body_bytes_ += static_cast<size_t>(n);
    scan();
    if (!is_at_end()) return true;
    is_reusable_ = !closes_;
    return finish();
  }
  double began() const { return began_; }
  const LoadSample& sample() const { return sample_; }
  // After the end: the connection, if the server keeps it open.
  std::optional<OwnedDescriptor> take_socket() {
    if (!is_reusable_) return std::nullopt;
    return std::move(socket_);
  }

 private:
  bool finish() {
    sample_.whole = now() - began_;
    return false;
  }
  bool is_at_end() const {
    if (!has_head_) return false;
    // What is left after the last event of a chunked body is its end.
    if (is_chunked_) return is_done_ && text_.ends_with("0\r\n\r\n");
    return body_bytes_ >= body_length_;
  }
  // Servers write names of headers in small letters or not.
  void read_head(std::string_view as_written) {
    const std::string head = ascii_lower(as_written);
    sample_.status = std::atoi(head.substr(9, 3).c_str());
    sample_.has_retry_after = head.find("retry-after: ") != std::string::npos;
    is_chunked_ = head.find("transfer-encoding: chunked") != std::string::npos;
    closes_ = head.find("connection: close") != std::string::npos;
    const size_t length = head.find("content-length: ");
    if (length != std::string::npos)
      body_length_ = std::strtoull(head.c_str() + length + 16, nullptr, 10);
  }
  // Counts the events that came whole; what was counted is forgotten.
  void scan() {
    if (!has_head_) {
      const size_t end = text_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      has_head_ = true;
      read_head(std::string_view(text_).substr(0, end + 2));
      text_.erase(0, end + 4);
      body_bytes_ = text_.size();
    }
    for (size_t end = 0; (end = text_.find("\n\n")) != std::string::npos;) {
      const std::string event = text_.substr(0, end);
      text_.erase(0, end + 2);
      if (event.find("data: [DONE]") != std::string::npos) {
        is_done_ = true;
        sample_.is_whole = !has_failed_;
      } else if (event.find("data: {\"error\"") != std::string::npos) {
        has_failed_ = true;
      } else if (const size_t at = event.find("\"completion_tokens\":"); at != std::string::npos) {
        sample_.tokens = std::atoi(event.c_str() + at + 20);
      } else if (sample_.first_token < 0 && is_token(event)) {
        sample_.first_token = now() - began_;
      }
    }
  }
  static bool is_token(const std::string& event) {
    const size_t delta = event.find("\"delta\":{\"");
    return delta != std::string::npos && event.find("\"role\"", delta) == std::string::npos;
  }

  OwnedDescriptor socket_;
  const std::string request_;
  size_t sent_ = 0;
  std::string text_;
  bool has_head_ = false;
  bool is_chunked_ = false;
  bool closes_ = false;                                      // after this answer
  size_t body_length_ = std::numeric_limits<size_t>::max();  // without a length: until it closes
  size_t body_bytes_ = 0;
  bool is_done_ = false;
  bool has_failed_ = false;
  bool is_reusable_ = false;
  LoadSample sample_;
  const double began_ = now();
};

Result<sockaddr_storage> address_of(const LoadPlan& plan, socklen_t& length) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(plan.host.c_str(), std::to_string(plan.port).c_str(), &hints, &found);
  if (failed != 0)
    return fail(ErrorKind::invalid_argument, "{}: {}", plan.host, gai_strerror(failed));
  sockaddr_storage address = {};
  length = found->ai_addrlen;
  std::memcpy(&address, found->ai_addr, length);
  freeaddrinfo(found);
  return address;
}

std::optional<OwnedDescriptor> open_socket(const sockaddr_storage& address, socklen_t length) {
  OwnedDescriptor socket(
      ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return std::nullopt;
  const int on = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 &&
      errno != EINPROGRESS)
    return std::nullopt;
  return socket;
}

// Connections that a server keeps open are used again, as clients do; the last one first.
class Sockets {
 public:
  Sockets(const sockaddr_storage& address, socklen_t length) : address_(address), length_(length) {}
  std::optional<OwnedDescriptor> take() {
    while (!idle_.empty()) {
      OwnedDescriptor socket = std::move(idle_.back());
      idle_.pop_back();
      char byte = 0;
      const bool is_open =
          recv(socket.get(), &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
      if (is_open) return socket;
    }
    return open_socket(address_, length_);
  }
  void give_back(std::optional<OwnedDescriptor> socket) {
    if (socket) idle_.push_back(*std::move(socket));
  }

 private:
  const sockaddr_storage address_;
  const socklen_t length_;
  std::vector<OwnedDescriptor> idle_;
};

}  // namespace

Result<LoadReport> run_load(const LoadPlan& plan) {
  socklen_t length = 0;
  TRY(const sockaddr_storage address, address_of(plan, length));
  LoadReport report;
  Sockets sockets(address, length);
  Random random(plan.seed);
  std::vector<std::unique_ptr<Exchange>> under_way;
  std::vector<pollfd> polled;
  const double start = now();
  double next = start;  // of the open loop
  uint64_t n_begun = 0;
  const auto may_begin = [&] {
    return now() - start < plan.seconds &&
           (plan.requests == 0 || n_begun < static_cast<uint64_t>(plan.requests));
  };
  const InterruptScope scope;
  while (may_begin() || !under_way.empty()) {
    if (interrupted()) return Error{ErrorKind::cancelled, "interrupted"};
    while (may_begin() &&
           (plan.rate > 0 ? next <= now() : under_way.size() < static_cast<size_t>(plan.clients))) {
      std::string request = make_request(plan, n_begun++);
      if (auto socket = sockets.take()) {
        under_way.push_back(std::make_unique<Exchange>(*std::move(socket), std::move(request)));
      } else {
        report.samples.emplace_back();
        if (plan.rate == 0) break;
      }
      if (plan.rate > 0) {
        const double uniform =
            (static_cast<double>(random.next() >> 11) + 0.5) / 9007199254740992.0;
        next += -std::log(uniform) / plan.rate;
      }
    }
    polled.clear();
    for (const auto& exchange : under_way) polled.push_back(exchange->wanted());
    const double pause = plan.rate > 0 && may_begin() ? std::clamp(next - now(), 0.0, 0.05) : 0.05;
    poll(polled.data(), polled.size(), static_cast<int>(std::ceil(pause * 1000)));
    size_t kept = 0;
    for (size_t i = 0; i < under_way.size(); ++i) {
      const bool is_late = now() - under_way[i]->began() > plan.request_timeout;
      const bool goes_on = !is_late && (polled[i].revents == 0 || under_way[i]->advance());
      if (!goes_on) {
        report.samples.push_back(under_way[i]->sample());
        if (!is_late) sockets.give_back(under_way[i]->take_socket());
        continue;
      }
      if (kept != i) under_way[kept] = std::move(under_way[i]);
      ++kept;
    }
    under_way.resize(kept);
  }
  report.seconds = now() - start;
  return report;
}

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<size_t>(std::lround(p / 100 * last))];
}

}  // namespace jiang
