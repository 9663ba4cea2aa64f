#include "agent/fenced_code.h"

namespace jiang {
namespace {

std::string_view next_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

// How many backticks or tildes open or close a block at this line; 0: none.
size_t fence_length(std::string_view line) {
  line = trimmed(line);
  if (line.empty() || (line[0] != '`' && line[0] != '~')) return 0;
  size_t n = 0;
  while (n < line.size() && line[n] == line[0]) ++n;
  return n >= 3 ? n : 0;
}

}  // namespace

std::optional<std::string> first_c_program(std::string_view markdown) {
  std::optional<std::string> unnamed;
  while (!markdown.empty()) {
    const std::string_view opening = next_line(markdown);
    const size_t fence = fence_length(opening);
    if (fence == 0) continue;
    const std::string_view info = trimmed(trimmed(opening).substr(fence));
    const std::string_view language = info.substr(0, info.find_first_of(" {"));
    std::string body;
    bool is_closed = false;
    while (!markdown.empty() && !is_closed) {
      const std::string_view line = next_line(markdown);
      is_closed = fence_length(line) >= fence && trimmed(line)[0] == trimmed(opening)[0] &&
                  trimmed(line).substr(fence_length(line)).empty();
      if (!is_closed) body.append(line).push_back('\n');
    }
    if (!is_closed) break;
    if (language == "c" || language == "C") return body;
    if (language.empty() && !unnamed && body.find("main") != std::string::npos) {
      unnamed = std::move(body);
    }
  }
  return unnamed;
}

}  // namespace jiang
