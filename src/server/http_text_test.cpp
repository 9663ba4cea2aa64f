#include "server/http_text.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

TEST(HttpText, Targets) {
  EXPECT_EQ(parse_target("/a%20b?c=d&e&f=%26")->path, "/a%20b");
  const auto query = parse_target("/a?c=d&e&&f=%26+x")->query;
  ASSERT_EQ(query.size(), 3u);
  EXPECT_EQ(query[1].first, "e");
  EXPECT_EQ(query[2].second, "& x");
  EXPECT_EQ(parse_target("http://localhost:80/x")->path, "/x");
  EXPECT_EQ(parse_target("http://localhost")->path, "/");
  for (const char* bad : {"", "x", "*", "/a b", "/a\x7f", "/\\..", "/a#b", "/a?%", "/a?%1",
                          "/a?x=%00", "/a?%c3%28", "http://", "http:///x", "ftp://a/"})
    EXPECT_FALSE(parse_target(bad)) << bad;
}

TEST(HttpText, AuthoritiesAndLoopback) {
  EXPECT_EQ(parse_authority("ExAmple.com:80")->host, "example.com");
  EXPECT_EQ(parse_authority("[2001:db8::1]:443")->port, "443");
  EXPECT_FALSE(parse_authority("[127.0.0.1]"));
  EXPECT_FALSE(parse_authority("a:b"));
  EXPECT_FALSE(parse_authority("a@b"));
  EXPECT_TRUE(is_loopback_address("::ffff:127.0.0.1"));
  EXPECT_TRUE(is_loopback_address("127.255.0.1"));
  EXPECT_FALSE(is_loopback_address("128.0.0.1"));
  EXPECT_FALSE(is_loopback_address("localhost"));
}

TEST(HttpText, Cookies) {
  EXPECT_EQ(cookie_value("a=1; jiang_session=x; b=2", "jiang_session"), "x");
  EXPECT_EQ(cookie_value("xjiang_session=no", "jiang_session"), "");
  EXPECT_EQ(cookie_value("jiang_session=", "jiang_session"), "");
}

TEST(HttpText, LogLinesStayOneLine) {
  EXPECT_EQ(log_text("a\r\nb\x1b[2J\"\\"), "a\\x0d\\x0ab\\x1b[2J\\x22\\x5c");
  EXPECT_EQ(log_text(std::string(300, 'x'), 10), "xxxxxxxxxx...");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace jiang
