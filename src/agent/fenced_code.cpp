#include "agent/fenced_code.h"

#include <cctype>

#include "base/ascii.h"

namespace jiang {
namespace {

std::string_view next_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// How many backticks or tildes open or close a block at this line; 0: none.
size_t fence_length(std::string_view line) {
  line = trim_ascii(line);
  if (line.empty() || (line[0] != '`' && line[0] != '~')) return 0;
  size_t n = 0;
  while (n < line.size() && line[n] == line[0]) ++n;
  return n >= 3 ? n : 0;
}

struct Block {
  std::string_view before;  // the last line above it that is not empty
  std::string_view language;
  std::string body;
};

// The next block that is closed, and takes it from the front; nullopt: there is none.
std::optional<Block> next_block(std::string_view& markdown) {
  Block block;
  while (!markdown.empty()) {
    const std::string_view opening = next_line(markdown);
    const size_t fence = fence_length(opening);
    if (fence == 0) {
      if (!trim_ascii(opening).empty()) block.before = opening;
      continue;
    }
    const std::string_view info = trim_ascii(trim_ascii(opening).substr(fence));
    block.language = info.substr(0, info.find_first_of(" {"));
    while (!markdown.empty()) {
      const std::string_view line = next_line(markdown);
      const bool is_closed = fence_length(line) >= fence &&
                             trim_ascii(line)[0] == trim_ascii(opening)[0] &&
                             trim_ascii(line).substr(fence_length(line)).empty();
      if (is_closed) return block;
      block.body.append(line).push_back('\n');
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> c_program_of(std::string_view markdown) {
  std::optional<std::string> unnamed;
  while (auto block = next_block(markdown)) {
    if (block->language == "c" || block->language == "C") return block->body;
    const bool is_program = block->body.find("main") != std::string::npos;
    if (block->language.empty() && !unnamed && is_program) unnamed = std::move(block->body);
  }
  return unnamed;
}

std::optional<std::string> sample_input(std::string_view markdown) {
  while (const auto block = next_block(markdown)) {
    const bool is_text = block->language.empty() || block->language == "text" ||
                         block->language == "txt" || block->language == "input" ||
                         block->language == "plaintext";
    if (!is_text || block->body.find("main") != std::string::npos) continue;
    for (const std::string_view word : {"输入", "input", "Input"}) {
      if (block->language == "input" || block->before.find(word) != std::string_view::npos) {
        return block->body;
      }
    }
  }
  return std::nullopt;
}

bool reads_input(std::string_view program) {
  for (const std::string_view call : {"scanf", "getchar", "fgets", "fgetc", "getline", "gets_s",
                                      "getc", "fread", "stdin", "read"}) {
    for (size_t at = program.find(call); at != std::string_view::npos;
         at = program.find(call, at + 1)) {
      size_t end = at + call.size();
      while (end < program.size() && program[end] == ' ') ++end;
      const bool begins = at == 0 || !(std::isalnum(static_cast<unsigned char>(program[at - 1])) ||
                                       program[at - 1] == '_');
      if (begins && (call == "stdin" || (end < program.size() && program[end] == '('))) return true;
    }
  }
  return false;
}

}  // namespace jiang
