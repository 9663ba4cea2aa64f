#include "server/page.h"

#include "server/web_assets.h"

namespace jiang {
namespace {

// Nothing from elsewhere, no scripts and no styles but our own, no frames.
constexpr const char* kContentSecurityPolicy =
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'";

bool takes_gzip(const HttpRequest& request) {
  return request.header("accept-encoding").find("gzip") != std::string_view::npos;
}

HttpResponse serve_asset(const WebAsset& asset, const HttpRequest& request) {
  HttpResponse response{.content_type = std::string(asset.type)};
  response.headers = {
      {"etag", std::string(asset.etag)},
      {"cache-control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache"},
      {"vary", "accept-encoding"},
      {"content-security-policy", kContentSecurityPolicy},
      {"referrer-policy", "no-referrer"},
      {"cross-origin-opener-policy", "same-origin"},
      {"cross-origin-resource-policy", "same-origin"}};
  if (request.header("if-none-match") == asset.etag) {
    response.status = 304;
    return response;
  }
  if (!asset.gzip.empty() && takes_gzip(request)) {
    response.headers.emplace_back("content-encoding", "gzip");
    response.body = asset.gzip;
  } else {
    response.body = asset.bytes;
  }
  return response;
}

Handler page_handler() {
  return answer_with([](const HttpRequest& request) {
    const WebAsset* page = find_web_asset("");
    if (page != nullptr) return serve_asset(*page, request);
    return HttpResponse{.body = std::string(no_web_page()),
                        .content_type = "text/plain; charset=utf-8"};
  });
}

}  // namespace

std::vector<Route> page_routes() {
  using Where = Route::Where;
  std::vector<Route> routes = {
      {"GET", "/", Access::open, page_handler(), ApiDialect::jiang, Where::io_thread}};
  for (const WebAsset& asset : web_assets()) {
    routes.push_back(
        {"GET", "/" + std::string(asset.path), Access::open,
         answer_with([&asset](const HttpRequest& request) { return serve_asset(asset, request); }),
         ApiDialect::jiang, Where::io_thread});
  }
  return routes;
}

}  // namespace jiang
