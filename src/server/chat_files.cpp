#include "server/chat_files.h"

#include <filesystem>

#include "agent/search.h"
#include "base/file.h"
#include "base/sha256.h"

namespace jiang {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;

}  // namespace

std::string ChatFiles::folder(std::string_view conversation) const {
  if (root_.empty() || conversation.empty()) return "";
  return root_ + "/" + sha256_hex(conversation).substr(0, 32);
}

std::string ChatFiles::url(std::string_view conversation) {
  return "jiang/v1/conversations/" + percent_encoded(conversation) + "/files/";
}

Result<HttpResponse> ChatFiles::download(std::string_view conversation,
                                         const std::string& name) const {
  const std::string path = folder(conversation) + "/" + name;
  std::error_code error;
  const bool is_name = !name.empty() && name.find('/') == std::string::npos &&
                       name.find('\0') == std::string::npos && name != "." && name != "..";
  if (root_.empty() || !is_name || std::filesystem::is_symlink(path, error) ||
      !is_regular_file(path)) {
    return fail(ErrorKind::not_found, "there is no such file");
  }
  HttpResponse response;
  TRY(response.body, read_file(path, kMaxFileBytes));
  response.content_type = "application/octet-stream";
  response.headers = {
      {"content-disposition", "attachment; filename*=UTF-8''" + percent_encoded(name)},
      {"cache-control", "no-store"}};
  return response;
}

void ChatFiles::remove(std::string_view conversation) const {
  const std::string path = folder(conversation);
  std::error_code ignored;
  if (!path.empty()) std::filesystem::remove_all(path, ignored);
}

Status make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail(ErrorKind::io, "{}: {}", path, error.message());
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  return ok();
}

}  // namespace jiang
