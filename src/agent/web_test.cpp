#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/page_text.h"
#include "agent/public_address.h"
#include "agent/tool.h"
#include "base/json_value.h"
#include "base/unicode.h"

namespace jiang {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(PublicAddress, RefusesAllThatIsNotPublic) {
  for (const char* address : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.255.254",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.8",
                              "192.0.2.1",
                              "192.88.99.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.7",
                              "203.0.113.7",
                              "224.0.0.1",
                              "239.255.255.255",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::127.0.0.1",
                              "64:ff9b::7f00:1",
                              "64:ff9b:1::1",
                              "100::1",
                              "2001::1",
                              "2001:0:7f00:1::",
                              "2001:10::1",
                              "2001:20::1",
                              "2001:db8::1",
                              "2002:7f00:1::",
                              "2002:a00:1::",
                              "3fff::1",
                              "fc00::1",
                              "fd12:3456::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "not an address",
                              "",
                              "127.1",
                              "2130706433",
                              "0x7f.0.0.1",
                              "1.2.3.4.5",
                              "[::1]",
                              "fe80::1%eth0"}) {
    EXPECT_FALSE(check_public_address(address)) << address;
  }
}

TEST(PublicAddress, EveryBorderIsExact) {
  for (const char* address :
       {"1.1.1.1",     "9.255.255.255",   "11.0.0.0",     "100.63.255.255",
        "100.128.0.0", "126.255.255.255", "128.0.0.0",    "169.253.255.255",
        "169.255.0.0", "172.15.255.255",  "172.32.0.0",   "192.0.1.0",
        "192.0.3.0",   "192.167.255.255", "192.169.0.0",  "198.17.255.255",
        "198.20.0.0",  "223.255.255.255", "2001:200::1",  "2001:4860:4860::8888",
        "2003::1",     "2606:4700::1",    "3fff:1000::1", "2400:3200::1"}) {
    EXPECT_TRUE(check_public_address(address)) << address;
  }
}

TEST(PublicUrl, PlainHttpOnItsOwnPortsOnly) {
  EXPECT_TRUE(check_public_url({"https", "a.example", 443, false}));
  EXPECT_TRUE(check_public_url({"http", "a.example", 80, false}));
  EXPECT_FALSE(check_public_url({"http", "a.example", 443, false}));
  EXPECT_FALSE(check_public_url({"https", "a.example", 6379, false}));
  EXPECT_FALSE(check_public_url({"https", "a.example", 443, true}));
}

// Forms of URLs that have reached a server's own network elsewhere: none may connect.
TEST(WebFetch, ReachesNothingOfOurs) {
  const Tool* fetch = find_tool("web_fetch");
  ASSERT_TRUE(fetch);
  ToolContext context;
  std::vector<std::string> hosts = {"127.0.0.1",
                                    "127.1",
                                    "127.0.1",
                                    "2130706433",
                                    "0x7f000001",
                                    "0x7f.0.0.1",
                                    "0177.0.0.1",
                                    "017700000001",
                                    "0.0.0.0",
                                    "0",
                                    "[::1]",
                                    "[::]",
                                    "[::ffff:127.0.0.1]",
                                    "[::ffff:7f00:1]",
                                    "[0:0:0:0:0:0:0:1]",
                                    "10.0.0.1",
                                    "169.254.169.254",
                                    "[fe80::1]",
                                    "[fd00::1]",
                                    "localhost",
                                    "LOCALHOST",
                                    "localhost.",
                                    "192.168.0.1",
                                    "172.16.0.1",
                                    "[64:ff9b::7f00:1]",
                                    "[2002:7f00:1::]",
                                    "127.0.0.1.",
                                    "%31%32%37.0.0.1"};
  std::vector<std::string> urls;
  for (const std::string& host : hosts) {
    for (const char* form :
         {"http://{}/", "https://{}/", "http://{}:80/x", "http://{}?a", "http://{}#a",
          "http://user@{}/", "http://good.example@{}/", "HTTP://{}/"}) {
      std::string url = form;
      url.replace(url.find("{}"), 2, host);
      urls.push_back(url);
    }
  }
  for (const char* url : {"file:///etc/passwd", "gopher://127.0.0.1:70/", "ftp://127.0.0.1/",
                          "data:text/plain,x", "javascript:alert(1)", "http://", "", "//127.0.0.1/",
                          "http://127.0.0.1:22/", "http://127.0.0.1:6379/", "dict://127.0.0.1/",
                          "http://127.0.0.1\\@good.example/", "http://good.example\r\nhost: x/"}) {
    urls.push_back(url);
  }
  ASSERT_GT(urls.size(), 200u);
  for (const std::string& url : urls) {
    const auto output = fetch->run({{"url", url}}, context);
    ASSERT_FALSE(output) << url;
    // Refused by us, not by the absence of a server: a refused connection would say so.
    EXPECT_THAT(output.error().message, Not(HasSubstr("Connection refused"))) << url;
  }
}

TEST(PageText, KeepsWhatPeopleRead) {
  const auto page = page_text(
      "<html><head><title> A  page </title><style>p{}</style></head><body><nav>menu</nav>"
      "<h1>Head</h1><p>One <b>two</b>\n three.</p><ul><li>a<li>b</ul>"
      "<pre>int  a;\n  b;</pre><table><tr><td>1<td>2</table></body>",
      10000);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->title, "A page");
  EXPECT_EQ(page->text, "# Head\n\nOne two three.\n\n- a\n\n- b\n\nint  a;\n  b;\n\n| 1| 2");
  EXPECT_FALSE(page->is_cut);
}

TEST(PageText, LeavesOutWhatPeopleDoNotSee) {
  const auto page = page_text(
      "<p>seen</p><script>evil1</script><!-- evil2 --><p hidden>evil3</p>"
      "<p style='display: none'>evil4</p><span style=\"visibility:hidden\">evil5</span>"
      "<p aria-hidden=true>evil6</p><img alt=evil7 title=evil8><noscript>evil9</noscript>"
      "<p>a\u200B\u200Db\U000E0041\u202Ec</p><p style='FONT-SIZE:0px'>evil10</p>",
      10000);
  ASSERT_TRUE(page);
  EXPECT_THAT(page->text, Not(HasSubstr("evil")));
  EXPECT_EQ(page->text, "seen\n\nabc");
}

TEST(PageText, IsBounded) {
  std::string deep;
  for (int i = 0; i < 30'000; ++i) deep += "<div>";
  EXPECT_FALSE(page_text(deep, 1000));
  std::string nested;
  for (int i = 0; i < 5'000; ++i) nested += "<b>x";
  EXPECT_TRUE(page_text(nested, 1000));
  std::string long_text;
  for (int i = 0; i < 5000; ++i) long_text += "你";
  const auto cut = page_text("<p>" + long_text, 1000);
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->is_cut);
  EXPECT_LE(cut->text.size(), 1000u);
  EXPECT_TRUE(is_valid_utf8(cut->text));
}

TEST(PageText, ReadsOtherCharsets) {
  EXPECT_EQ(*page_utf8("\xC4\xE3\xBA\xC3", "text/html; charset=gb2312"), "你好");
  EXPECT_EQ(*page_utf8("<meta charset=\"gbk\">\xC4\xE3", "text/html"), "<meta charset=\"gbk\">你");
  EXPECT_EQ(*page_utf8("caf\xE9", "text/html; charset=ISO-8859-1"), "café");
  EXPECT_EQ(*page_utf8("caf\xE9", "text/html"), "caf\uFFFD");
  EXPECT_FALSE(page_utf8("x", "text/html; charset=klingon"));
}

}  // namespace
}  // namespace jiang
