#include "server/web_assets.h"

#include <algorithm>

namespace jiang {

const WebAsset* find_web_asset(std::string_view path) {
  if (path.empty()) path = "index.html";
  const std::span<const WebAsset> assets = web_assets();
  const auto found = std::lower_bound(
      assets.begin(), assets.end(), path,
      [](const WebAsset& asset, std::string_view wanted) { return asset.path < wanted; });
  return found != assets.end() && found->path == path ? &*found : nullptr;
}

std::string_view no_web_page() {
  return "This jiang was built without its web page (JIANG_WEB=OFF). The APIs below /v1 and /api "
         "work; build with -DJIANG_WEB=ON for the page.\n";
}

}  // namespace jiang
