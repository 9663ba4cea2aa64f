// For tests: a socket to a server on loopback, and a server with routes of the test's own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "server/http_server.h"

namespace jiang {

class TestSocket {
 public:
  explicit TestSocket(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~TestSocket() { hang_up(); }
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  bool is_connected() const { return is_connected_; }
  void send_all(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void end_sending() const { shutdown(fd_, SHUT_WR); }
  void hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  // As a killed client does it: RST.
  void reset() {
    const linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    hang_up();
  }
  // Reads until `mark` has come (all that came is kept), the other side ends, or 20 s pass.
  bool read_until(std::string_view mark) {
    while (received.find(mark) == std::string::npos) {
      if (!read_more()) return false;
    }
    return true;
  }
  bool read_more() {
    pollfd wait = {.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, 20000) != 1) return false;
    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    received.append(buffer, static_cast<size_t>(n));
    return true;
  }
  const std::string& read_to_end() {
    while (read_more()) {
    }
    return received;
  }
  int descriptor() const { return fd_; }

  std::string received;

 private:
  int fd_;
  bool is_connected_ = false;
};

struct TestAnswer {
  int status = 0;
  std::string head;
  std::string body;  // chunks put together
  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

inline TestAnswer parse_answer(const std::string& bytes) {
  TestAnswer answer;
  const size_t end = bytes.find("\r\n\r\n");
  if (bytes.size() < 12 || end == std::string::npos) return answer;
  answer.status = std::atoi(bytes.substr(9, 3).c_str());
  answer.head = bytes.substr(0, end + 2);
  answer.body = bytes.substr(end + 4);
  if (!answer.has("transfer-encoding: chunked")) return answer;
  std::string raw = std::move(answer.body);
  answer.body.clear();
  for (size_t at = 0; at < raw.size();) {
    const size_t line = raw.find("\r\n", at);
    if (line == std::string::npos) break;
    const size_t n = std::strtoul(raw.c_str() + at, nullptr, 16);
    if (n == 0) break;
    answer.body += raw.substr(line + 2, n);
    at = line + 2 + n + 2;
  }
  return answer;
}

// One request, one connection.
inline TestAnswer exchange(uint16_t port, const std::string& request) {
  TestSocket socket(port);
  socket.send_all(request);
  return parse_answer(socket.read_to_end());
}

inline std::string request_text(std::string_view method, std::string_view target,
                                std::string_view headers = {}, std::string_view body = {}) {
  std::string text = std::string(method) + " " + std::string(target) +
                     " HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n" + std::string(headers);
  if (!body.empty() || method == "POST")
    text += "content-length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + std::string(body);
}

// Keys "user-key" and "owner-key", sessions "user-session", "owner-session", "visitor-session".
class FakeAuthenticator final : public Authenticator {
 public:
  bool keys = false;
  Result<std::optional<Caller>> of_key(std::string_view key) override {
    return find(key, "-key", {Caller::Kind::user, Caller::Kind::owner});
  }
  Result<std::optional<Caller>> of_session(std::string_view session) override {
    return find(session, "-session",
                {Caller::Kind::user, Caller::Kind::owner, Caller::Kind::visitor});
  }
  bool has_keys() override { return keys; }

 private:
  static std::optional<Caller> find(std::string_view text, std::string_view suffix,
                                    std::initializer_list<Caller::Kind> kinds) {
    for (const Caller::Kind kind : kinds) {
      if (text == std::string(name_of(kind)) + std::string(suffix))
        return Caller{.kind = kind, .user_id = std::string(name_of(kind)), .name = "n"};
    }
    return std::nullopt;
  }
};

}  // namespace jiang
