#include "judge/answer_text.h"

#include <algorithm>
#include <cstdint>

namespace jiang {
namespace {

struct Block {
  std::string_view tag = {};   // behind ```
  std::string_view body = {};  // up to the closing fence
  size_t end = 0;              // behind the closing fence
  bool closed = false;
};

// The next fenced block at or behind `from`; its opening fence starts a line.
std::optional<Block> next_block(std::string_view text, size_t from, size_t& begin) {
  for (size_t at = text.find("```", from); at != std::string_view::npos;
       at = text.find("```", at + 3)) {
    if (at > 0 && text[at - 1] != '\n') continue;
    begin = at;
    Block block;
    const size_t line_end = text.find('\n', at);
    if (line_end == std::string_view::npos) return Block{.end = text.size()};
    block.tag = text.substr(at + 3, line_end - at - 3);
    while (!block.tag.empty() && (block.tag.back() == ' ' || block.tag.back() == '\r')) {
      block.tag.remove_suffix(1);
    }
    const size_t close = text.find("\n```", line_end);
    block.closed = close != std::string_view::npos;
    const size_t body_end = block.closed ? close + 1 : text.size();
    block.body = text.substr(line_end + 1, body_end - line_end - 1);
    block.end = block.closed ? close + 4 : text.size();
    return block;
  }
  return std::nullopt;
}

// Decodes one character of valid UTF-8; a stray byte counts as itself.
uint32_t next_character(std::string_view text, size_t& at) {
  const auto lead = static_cast<uint8_t>(text[at++]);
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
  uint32_t character = more == 0 ? lead : lead & (0x3f >> more);
  for (int i = 0; i < more && at < text.size(); ++i) {
    character = character << 6 | (static_cast<uint8_t>(text[at++]) & 0x3f);
  }
  return character;
}

}  // namespace

std::optional<std::string> first_c_program(std::string_view answer) {
  size_t from = 0;
  size_t begin = 0;
  while (const auto block = next_block(answer, from, begin)) {
    if (block->tag == "c" || block->tag == "C" || block->tag.empty()) {
      if (!block->closed) return std::nullopt;
      return std::string(block->body);
    }
    from = block->end;
  }
  return std::nullopt;
}

std::string prose_of(std::string_view answer) {
  std::string without_blocks;
  size_t from = 0;
  size_t begin = 0;
  while (auto block = next_block(answer, from, begin)) {
    without_blocks += answer.substr(from, begin - from);
    from = block->end;
  }
  without_blocks += answer.substr(std::min(from, answer.size()));
  std::string prose;
  bool inside = false;
  for (const char c : without_blocks) {
    if (c == '\n') inside = false;  // a stray ` ends with its line
    if (c == '`') {
      inside = !inside;
      prose += ' ';
    } else if (!inside) {
      prose += c;
    }
  }
  return prose;
}

std::string language_of(std::string_view answer) {
  std::string prose = prose_of(answer);
  // Its own name is the same in both languages.
  constexpr std::string_view kName = "代码匠";
  for (size_t at = prose.find(kName); at != std::string::npos; at = prose.find(kName, at)) {
    prose.erase(at, kName.size());
  }
  size_t chinese = 0;
  size_t latin = 0;
  for (size_t at = 0; at < prose.size();) {
    const uint32_t c = next_character(prose, at);
    if ((c >= 0x3400 && c <= 0x9fff) || (c >= 0x20000 && c <= 0x323af)) ++chinese;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) ++latin;
  }
  const size_t letters = chinese + latin;
  if (letters == 0) return "";
  if (chinese * 3 >= letters) return "zh";
  return chinese * 50 <= letters ? "en" : "";
}

bool occur_in_order(std::string_view text, const std::vector<std::string>& words) {
  size_t at = 0;
  for (const std::string& word : words) {
    at = text.find(word, at);
    if (at == std::string_view::npos) return false;
    at += word.size();
  }
  return true;
}

}  // namespace jiang
