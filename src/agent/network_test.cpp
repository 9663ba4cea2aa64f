// What tools reach, on a network where everything that is reached is seen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/public_address.h"
#include "agent/tool.h"
#include "base/http_client.h"
#include "base/json_value.h"
#include "tests/support/private_network.h"

namespace jiang {
namespace {

using testing::HasSubstr;

constexpr const char* kPublic = "93.184.215.14";

// Names as an attacker's server of names would answer: another address at each question, several
// at once, addresses in disguise.
std::vector<std::string> attackers_names(const std::string& name, int n) {
  if (name == "good.example") return {kPublic};
  if (name == "then-inside.example") return {n == 0 ? kPublic : "127.0.0.1"};
  if (name == "inside-then.example") return {n == 0 ? "127.0.0.1" : kPublic};
  if (name == "every-other.example") return {n % 2 == 0 ? kPublic : "10.0.0.8"};
  if (name == "metadata.example") return {n % 2 == 0 ? kPublic : "169.254.169.254"};
  if (name == "both.example") return {kPublic, "127.0.0.1"};
  if (name == "both-reversed.example") return {"192.168.0.1", kPublic};
  if (name == "inside.example") return {"172.16.9.9"};
  if (name == "six.example") return {"::1"};
  if (name == "mapped.example") return {"::ffff:127.0.0.1"};
  if (name == "six-and-four.example") return {"::1", kPublic};
  if (name == "four-and-six.example") return {kPublic, "::ffff:10.1.1.1"};
  if (name == "nothing.example") return {"0.0.0.0"};
  return {};
}

std::vector<std::string> attackers_urls() {
  std::vector<std::string> urls;
  for (const char* name :
       {"then-inside", "inside-then", "every-other", "metadata", "both", "both-reversed", "inside",
        "six", "mapped", "six-and-four", "four-and-six", "nothing"}) {
    const std::string there = std::string("http://") + name + ".example/";
    urls.push_back(there);
    urls.push_back("http://good.example/to/" + there);
    urls.push_back(there + "to/" + there);
    urls.push_back(there + "to/http://127.0.0.1/");
  }
  for (const char* inside :
       {"http://127.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://0x7f.1/",
        "//127.0.0.1/", "http://good.example@127.0.0.1/"}) {
    urls.push_back(std::string("http://good.example/to/") + inside);
  }
  return urls;
}

// Of addresses as the listener saw them: "::ffff:1.2.3.4" is 1.2.3.4.
std::string inside_ones(const std::vector<std::string>& reached) {
  std::string found;
  for (const std::string& address : reached) {
    const bool is_v4 = address.starts_with("::ffff:");
    if (!check_public_address(is_v4 ? address.substr(7) : address)) found += " " + address;
  }
  return found;
}

TEST(WebFetchNetwork, NamesThatChangeReachNothingInside) {
  const auto said = PrivateNetwork::run(attackers_names, [](PrivateNetwork& network) {
    const Tool* fetch = find_tool("web_fetch");
    ToolContext context;
    std::string problems;
    for (const std::string& url : attackers_urls()) {
      for (int time = 0; time < 3; ++time) {
        const auto output = fetch->run({{"url", url}}, context);
        if (const std::string inside = inside_ones(network.take_reached()); !inside.empty()) {
          problems += url + " reached" + inside + "\n";
        }
        (void)output;
      }
    }
    // The same network without the guard: what must not be reached can be.
    const auto client = HttpClient::create().value();
    for (const char* url : {"http://inside.example/", "http://good.example/to/http://127.0.0.1/"}) {
      HttpRequestOptions request;
      request.url = url;
      const auto answer = client->send(request);
      if (!answer) problems += std::string(url) + ": " + answer.error().message + "\n";
      if (inside_ones(network.take_reached()).empty()) problems += std::string("no ") + url + "\n";
    }
    const auto page = fetch->run({{"url", "http://good.example/"}}, context);
    if (!page) problems += "good.example: " + page.error().message + "\n";
    if (page && page->text.find("a page") == std::string::npos) problems += page->text + "\n";
    return problems;
  });
  if (!said) GTEST_SKIP() << "this machine allows no network namespace";
  EXPECT_EQ(*said, "");
}

}  // namespace
}  // namespace jiang
