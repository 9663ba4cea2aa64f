// Files that programs of a conversation wrote: one folder each, kept from run to run and removed
// with the conversation.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/http.h"

namespace jiang {

class ChatFiles {
 public:
  // `root` "": nothing is kept.
  explicit ChatFiles(std::string root = {}) : root_(std::move(root)) {}

  // "": nothing is kept. Not made yet. Any text is a fit `conversation`: ids can be imported.
  std::string folder(std::string_view conversation) const;
  // Below which the page finds them, relative to it.
  static std::string url(std::string_view conversation);
  // For the browser to save, never to show.
  Result<HttpResponse> download(std::string_view conversation, const std::string& name) const;
  void remove(std::string_view conversation) const;

 private:
  std::string root_;
};

Status make_folder(const std::string& path);

}  // namespace jiang
