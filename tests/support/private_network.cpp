#include "tests/support/private_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace jiang {
namespace {

bool write_file(const char* path, const std::string& text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool good = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(file);
  return good;
}

bool enter_namespaces() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0) {
    write_file("/proc/self/setgroups", "deny");
    return write_file("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1") &&
           write_file("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
  }
  return ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;  // for root where user namespaces are off
}

// The kernel takes all addresses of a loopback interface's networks for its own: 128.0.0.0/1,
// 64.0.0.0/2 and so on to 1.0.0.0/8 are all of them.
bool own_all_addresses() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
  bool good = ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
  for (int prefix = 1; prefix <= 8; ++prefix) {
    std::strcpy(request.ifr_name, ("lo:" + std::to_string(prefix)).c_str());
    auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    *address = {};
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl((uint32_t{1} << (32 - prefix)) + 1);
    good = good && ::ioctl(socket, SIOCSIFADDR, &request) == 0;
    address->sin_addr.s_addr = htonl(~uint32_t{0} << (32 - prefix));
    good = good && ::ioctl(socket, SIOCSIFNETMASK, &request) == 0;
  }
  ::close(socket);
  return good;
}

bool resolve_here() {
  char path[] = "/tmp/jiang_resolv_XXXXXX";
  const int file = ::mkstemp(path);
  if (file < 0) return false;
  const std::string text = "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n";
  const bool written = ::write(file, text.data(), text.size()) > 0;
  ::close(file);
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  const bool mounted = ::mount(path, "/etc/resolv.conf", nullptr, MS_BIND, nullptr) == 0;
  ::unlink(path);
  return written && mounted;
}

void put16(std::string& out, int value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

}  // namespace

std::optional<std::string> PrivateNetwork::run(
    Resolve resolve, const std::function<std::string(PrivateNetwork&)>& body, Respond respond) {
  constexpr int kNoNamespace = 77;
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) {
    // Its threads live until it ends.
    auto* network = new PrivateNetwork(std::move(resolve), std::move(respond));
    if (!enter_namespaces() || !own_all_addresses() || !resolve_here() || !network->start()) {
      ::_exit(kNoNamespace);
    }
    const std::string said = body(*network);
    const ssize_t count = ::write(pipe[1], said.data(), said.size());
    ::_exit(count == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  ::close(pipe[1]);
  std::string said;
  char bytes[4096];
  for (ssize_t count; (count = ::read(pipe[0], bytes, sizeof(bytes))) > 0;) {
    said.append(bytes, static_cast<size_t>(count));
  }
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoNamespace) return std::nullopt;
  if (status != 0) said += "\nthe child ended with status " + std::to_string(status);
  return said;
}

std::vector<std::string> PrivateNetwork::take_reached() {
  const std::lock_guard lock(mutex_);
  return std::exchange(reached_, {});
}

int PrivateNetwork::n_questions() const {
  const std::lock_guard lock(mutex_);
  return n_questions_;
}

bool PrivateNetwork::start() {
  const int names = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in port53 = {};
  port53.sin_family = AF_INET;
  port53.sin_port = htons(53);
  const int listener = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int off = 0;
  ::setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  sockaddr_in6 port80 = {};
  port80.sin6_family = AF_INET6;
  port80.sin6_port = htons(80);
  if (::bind(names, reinterpret_cast<sockaddr*>(&port53), sizeof(port53)) != 0 ||
      ::bind(listener, reinterpret_cast<sockaddr*>(&port80), sizeof(port80)) != 0 ||
      ::listen(listener, 64) != 0) {
    return false;
  }
  std::thread([this, names] { answer_names(names); }).detach();
  std::thread([this, listener] { answer_requests(listener); }).detach();
  return true;
}

// RFC 1035: one question, answered with a time to live of 0.
void PrivateNetwork::answer_names(int socket) {
  char bytes[512];
  sockaddr_storage from = {};
  for (;;) {
    socklen_t size = sizeof(from);
    const ssize_t count =
        ::recvfrom(socket, bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (count < 17) continue;
    const std::string query(bytes, static_cast<size_t>(count));
    std::string name;
    size_t at = 12;
    while (at < query.size() && query[at] != 0) {
      const auto length = static_cast<size_t>(query[at]);
      name += (name.empty() ? "" : ".") + query.substr(at + 1, length);
      at += 1 + length;
    }
    if (at + 5 > query.size()) continue;
    const int type = query[at + 2];  // 1: A, 28: AAAA
    std::vector<std::string> addresses;
    {
      const std::lock_guard lock(mutex_);
      ++n_questions_;
      addresses = resolve_(name, type == 1 ? asked_[name]++ : asked_[name]);
    }
    std::string answers;
    int n_answers = 0;
    for (const std::string& address : addresses) {
      const bool is_v6 = address.find(':') != std::string::npos;
      if (type != (is_v6 ? 28 : 1)) continue;
      unsigned char packed[16];
      ::inet_pton(is_v6 ? AF_INET6 : AF_INET, address.c_str(), packed);
      put16(answers, 0xC00C);  // the name of the question
      put16(answers, type);
      put16(answers, 1);
      answers.append(4, '\0');
      put16(answers, is_v6 ? 16 : 4);
      answers.append(reinterpret_cast<const char*>(packed), is_v6 ? 16 : 4);
      ++n_answers;
    }
    std::string reply = query.substr(0, 2);
    put16(reply, 0x8580);
    put16(reply, 1);
    put16(reply, n_answers);
    put16(reply, 0);
    put16(reply, 0);
    reply += query.substr(12, at + 5 - 12) + answers;
    ::sendto(socket, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
}

void PrivateNetwork::answer_requests(int listener) {
  for (;;) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    sockaddr_in6 here = {};
    socklen_t size = sizeof(here);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&here), &size);
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET6, &here.sin6_addr, text, sizeof(text));
    {
      const std::lock_guard lock(mutex_);
      reached_.emplace_back(text);
    }
    char bytes[4096];
    const ssize_t count = ::recv(socket, bytes, sizeof(bytes), 0);
    const std::string request(bytes, static_cast<size_t>(std::max<ssize_t>(count, 0)));
    std::string reply =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"
        "Connection: close\r\n\r\na page";
    if (std::string own = respond_ ? respond_(request) : ""; !own.empty()) {
      reply = std::move(own);
    } else if (request.starts_with("GET /to/")) {
      reply = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: " +
              request.substr(8, request.find(' ', 8) - 8) + "\r\n\r\n";
    }
    ::send(socket, reply.data(), reply.size(), MSG_NOSIGNAL);
    ::close(socket);
  }
}

}  // namespace jiang
