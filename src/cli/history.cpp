#include "cli/history.h"

#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

namespace jiang {
namespace {

constexpr size_t kMaxEntries = 1000;
constexpr size_t kMaxFileBytes = size_t{16} << 20;
constexpr size_t kMaxEntryBytes = size_t{64} << 10;  // a pasted book need not be kept

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string unescaped(std::string_view line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) {
      ++i;
      out += line[i] == 'n' ? '\n' : line[i];
    } else {
      out += line[i];
    }
  }
  return out;
}

}  // namespace

History::History(std::string path) : path_(std::move(path)) {
  const auto text = read_file(path_, kMaxFileBytes);
  if (!text) return;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    if (end > begin)
      entries_.push_back(unescaped(std::string_view(*text).substr(begin, end - begin)));
    begin = end + 1;
  }
  if (entries_.size() <= 2 * kMaxEntries) return;
  entries_.erase(entries_.begin(), entries_.end() - static_cast<std::ptrdiff_t>(kMaxEntries));
  std::string shortened;
  for (const std::string& entry : entries_) shortened += escaped(entry) + "\n";
  static_cast<void>(write_file(path_, shortened));
}

void History::add(const std::string& text) {
  if (text.find_first_not_of(" \n\t") == std::string::npos) return;
  if (!entries_.empty() && entries_.back() == text) return;
  entries_.push_back(text);
  if (!persistent_ || text.size() > kMaxEntryBytes) return;
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
  // Appended whole, so that two chats at once do not mix their lines; readable by the owner only.
  const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return;
  const std::string line = escaped(text) + "\n";
  const ssize_t written = write(file, line.data(), line.size());
  static_cast<void>(written);
  close(file);
}

}  // namespace jiang
