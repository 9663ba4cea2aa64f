#include "server/web_assets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace jiang {
namespace {

TEST(WebAssets, AreSortedAndFoundByTheirPath) {
  const auto assets = web_assets();
  EXPECT_TRUE(std::is_sorted(assets.begin(), assets.end(),
                             [](const auto& a, const auto& b) { return a.path < b.path; }));
  for (const WebAsset& asset : assets) EXPECT_EQ(find_web_asset(asset.path), &asset);
}

TEST(WebAssets, UnknownPathsAreNotFound) {
  for (const char* path :
       {"/", "index.html/", "../index.html", "assets", "assets/", "zzz", "index.htm"}) {
    EXPECT_EQ(find_web_asset(path), nullptr) << path;
  }
}

TEST(WebAssets, ThePageIsWholeWhenItWasBuilt) {
  if (web_assets().empty()) GTEST_SKIP() << "built with JIANG_WEB=OFF";
  const WebAsset* page = find_web_asset("");
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(page, find_web_asset("index.html"));
  EXPECT_FALSE(page->immutable);
  const std::string html(page->bytes);
  EXPECT_NE(html.find("<div id=\"app\">"), std::string::npos);
  // Every URL is relative, so that a proxy may put the page below any path.
  EXPECT_EQ(html.find("src=\"/"), std::string::npos);
  EXPECT_EQ(html.find("href=\"/"), std::string::npos);
  EXPECT_EQ(html.find("://"), std::string::npos);
  // No script and no style inside: the page's policy is default-src 'self'.
  EXPECT_EQ(html.find("<style"), std::string::npos);
  EXPECT_EQ(html.find("<script>"), std::string::npos);
}

TEST(WebAssets, AreCompressedAndNamed) {
  for (const WebAsset& asset : web_assets()) {
    EXPECT_FALSE(asset.bytes.empty()) << asset.path;
    EXPECT_EQ(asset.immutable, asset.path.substr(0, 7) == "assets/") << asset.path;
    EXPECT_GE(asset.etag.size(), 10u);
    EXPECT_EQ(asset.etag.front(), '"');
    EXPECT_EQ(asset.etag.back(), '"');
    if (asset.gzip.empty()) continue;
    EXPECT_LT(asset.gzip.size(), asset.bytes.size());
    EXPECT_EQ(asset.gzip.substr(0, 2), "\x1f\x8b") << asset.path;
  }
}

}  // namespace
}  // namespace jiang
