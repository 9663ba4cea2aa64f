// A network of one process: a child in its own network namespace in which every IPv4 address is
// local, whatever port 80 of any of them is asked is answered and noted with the address that was
// reached, and every name is resolved by a function. What a guard against requests to inside
// addresses lets through is then seen where it would arrive.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace jiang {

class PrivateNetwork {
 public:
  // The addresses that the n-th question (from 0) for a name is answered with, A and AAAA together.
  using Resolve = std::function<std::vector<std::string>(const std::string& name, int n)>;

  // The whole answer to what port 80 was asked ("GET /x HTTP/1.1 ..."); "" for the usual one: "GET
  // /to/URL" is redirected to URL, all else is a page.
  using Respond = std::function<std::string(const std::string& request)>;

  // Runs `body` in a child process; what it returns comes back, "" for nothing to say. nullopt:
  // this machine allows no such namespace. Call it while no other thread runs.
  static std::optional<std::string> run(Resolve resolve,
                                        const std::function<std::string(PrivateNetwork&)>& body,
                                        Respond respond = {});

  // Local addresses that connections to port 80 came to, as inet_ntop writes them; taken.
  std::vector<std::string> take_reached();
  int n_questions() const;  // that the resolver was asked

 private:
  PrivateNetwork(Resolve resolve, Respond respond)
      : resolve_(std::move(resolve)), respond_(std::move(respond)) {}
  bool start();
  void answer_names(int socket);
  void answer_requests(int listener);

  Resolve resolve_;
  Respond respond_;
  mutable std::mutex mutex_;
  std::map<std::string, int> asked_;  // by name
  int n_questions_ = 0;
  std::vector<std::string> reached_;
};

}  // namespace jiang
