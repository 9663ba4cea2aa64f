#include "text/added_tokens.h"

#include <algorithm>

#include "base/unicode.h"

namespace jiang {
namespace {

bool is_word_character(char32_t c) {
  return is_letter(c) || is_number(c) || is_mark(c) || c == '_';
}

size_t previous_character(std::string_view text, size_t at) {
  --at;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 &&
      is_word_character(decode_utf8(text.substr(previous_character(text, begin))).code_point)) {
    return false;
  }
  return end >= text.size() || !is_word_character(decode_utf8(text.substr(end)).code_point);
}

}  // namespace

bool is_marker(std::string_view text) {
  if (text.size() < 3) return false;
  const auto is_name = [](std::string_view name, bool capitals) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
      return c == '_' || (capitals ? c >= 'A' && c <= 'Z' : c >= 'a' && c <= 'z');
    });
  };
  std::string_view inner = text.substr(1, text.size() - 2);
  if (!inner.empty() && inner[0] == '/') inner.remove_prefix(1);
  if (text.front() == '[' && text.back() == ']') return is_name(inner, true);
  if (text.front() != '<' || text.back() != '>') return false;
  constexpr std::string_view kFullWidthBar = "\xEF\xBD\x9C";
  if (inner.substr(0, 1) == "|" || inner.substr(0, 3) == kFullWidthBar) return true;
  if (!is_name(inner, false)) return false;
  return inner.find("tool") != std::string_view::npos ||
         inner.find("think") != std::string_view::npos ||
         inner.find("function") != std::string_view::npos || inner.find("arg_") == 0 ||
         inner.find("_turn") != std::string_view::npos;
}

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens) : tokens_(tokens) {
  std::vector<std::pair<std::string_view, int32_t>> keys;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].text.empty()) continue;
    keys.emplace_back(tokens_[i].text, static_cast<int32_t>(i));
    starts_[static_cast<uint8_t>(tokens_[i].text[0])] = true;
  }
  trie_ = ByteTrie(std::move(keys));
}

AddedTokenMatcher::Match AddedTokenMatcher::find(std::string_view text, size_t from) const {
  return find(text, from, {from, text.size()});
}

AddedTokenMatcher::Match AddedTokenMatcher::find(std::string_view text, size_t from,
                                                 TextRange window) const {
  if (trie_.empty()) return {};
  for (size_t at = std::max(from, window.begin); at < window.end; ++at) {
    if (!starts_[static_cast<uint8_t>(text[at])]) continue;
    const auto found = trie_.longest_prefix(text.substr(at, window.end - at));
    if (found.length == 0) continue;
    const AddedToken& token = tokens_[static_cast<size_t>(found.value)];
    Match match{at, at + found.length, token.id, {at, at + found.length}};
    if (token.single_word && !stands_alone(text, match.begin, match.end)) continue;
    while (token.lstrip && match.begin > from) {
      const size_t before = previous_character(text, match.begin);
      if (!is_whitespace(decode_utf8(text.substr(before)).code_point)) break;
      match.begin = before;
    }
    while (token.rstrip && match.end < text.size()) {
      const auto c = decode_utf8(text.substr(match.end));
      if (!is_whitespace(c.code_point)) break;
      match.end += static_cast<size_t>(c.length);
    }
    return match;
  }
  return {};
}

AddedTokenMatcher::Match RangedTokenScan::next_in_ranges(std::string_view text, size_t at) {
  while (!ranges_.empty()) {
    const TextRange window{ranges_.front().begin, std::min(ranges_.front().end, text.size())};
    if (window.end > at) {
      const auto match = all_.find(text, at, window);
      if (match.begin != std::string_view::npos) return match;
    }
    ranges_ = ranges_.subspan(1);
  }
  return {};
}

AddedTokenMatcher::Match RangedTokenScan::next(std::string_view text, size_t at) {
  if (!ahead_in_ranges_ || ahead_in_ranges_->token.begin < at) {
    ahead_in_ranges_ = next_in_ranges(text, at);
  }
  if (!ahead_plain_ || ahead_plain_->token.begin < at) ahead_plain_ = plain_.find(text, at);
  const TextRange& special = ahead_in_ranges_->token;
  const TextRange& plain = ahead_plain_->token;
  const bool take_special =
      special.begin < plain.begin || (special.begin == plain.begin && special.end >= plain.end);
  AddedTokenMatcher::Match match = take_special ? *ahead_in_ranges_ : *ahead_plain_;
  match.begin = std::max(match.begin, at);  // white space that lstrip took may be gone by now
  return match;
}

}  // namespace jiang
