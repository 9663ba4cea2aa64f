#include "hub/file_name.h"

#include <map>

#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxName = 1024;
constexpr size_t kMaxWord = 200;  // file systems take 255; ".part.journal" and the like come on top

Error refused(std::string_view name, std::string_view why) {
  std::string shown;
  for (const char c : name.substr(0, 100)) {
    const bool is_plain = static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    shown += is_plain ? c : '?';
  }
  return fail(ErrorKind::bad_file, "the file name '{}' {}: refused", shown, why);
}

}  // namespace

Status check_file_name(std::string_view name) {
  if (name.empty()) return refused(name, "is empty");
  if (name.size() > kMaxName) return refused(name, "is too long");
  if (!is_valid_utf8(name)) return refused(name, "is not UTF-8");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return refused(name, "has a control character in it");
    }
    // A percent sign means one thing to us and another to whoever decodes it again.
    if (c == '\\' || c == '%' || c == ':') return refused(name, "has a '\\', '%' or ':' in it");
  }
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t slash = std::min(name.find('/', begin), name.size());
    const std::string_view word = name.substr(begin, slash - begin);
    if (word.empty()) return refused(name, "is absolute or has an empty part");
    if (word == "." || word == "..") return refused(name, "leaves its folder");
    if (word.size() > kMaxWord) return refused(name, "is too long");
    if (word.front() == '-') return refused(name, "begins with '-'");
    if (word.back() == '.' || word.back() == ' ' || word.front() == ' ') {
      return refused(name, "begins or ends with a dot or a space");
    }
    begin = slash + 1;
  }
  return ok();
}

Status check_file_names(std::span<const std::string> names) {
  std::map<std::string, const std::string*> seen;
  for (const std::string& name : names) {
    TRY_STATUS(check_file_name(name));
    std::string folded = name;
    for (char& c : folded) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto [other, is_new] = seen.emplace(std::move(folded), &name);
    if (!is_new) return refused(name, fmt::format("collides with '{}'", *other->second));
  }
  return ok();
}

}  // namespace jiang
