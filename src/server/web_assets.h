// The web app's files, built from web/ and embedded by CMake; none with -DJIANG_WEB=OFF.
//
// Constant data: any thread.
#pragma once

#include <span>
#include <string_view>

namespace jiang {

struct WebAsset {
  std::string_view path;   // "index.html", "assets/index-CXvR58xv.js"
  std::string_view type;   // Content-Type
  std::string_view bytes;  // as they are
  std::string_view gzip;   // the same compressed; empty where that saves nothing
  std::string_view etag;   // with its quotes; of the content
  bool immutable = false;  // the name holds a hash of the content: may be cached for ever
};

// By path, sorted.
std::span<const WebAsset> web_assets();

// `path` as it stands after the server's root: "" is the page itself. nullptr: no such file.
const WebAsset* find_web_asset(std::string_view path);

// What `/` answers when the page was not built.
std::string_view no_web_page();

}  // namespace jiang
