#include "text/normalizer.h"

namespace jiang {
namespace {

// Calls change(code point, its bytes) for every character.
template <class Change>
void for_each_character(std::string_view text, Change change) {
  while (!text.empty()) {
    const auto c = decode_utf8(text);
    change(c.code_point, text.substr(0, static_cast<size_t>(c.length)));
    text.remove_prefix(static_cast<size_t>(c.length));
  }
}

bool is_line_or_tab(char32_t c) { return c == '\t' || c == '\n' || c == '\r'; }

bool is_han(char32_t c) {
  // The blocks that BERT lists. Its first implementation in Rust has 2B920 for 2B820, and models
  // have been trained with that.
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void strip(std::string& text, bool left, bool right) {
  std::string_view rest = text;
  while (left && !rest.empty()) {
    const auto c = decode_utf8(rest);
    if (!is_whitespace(c.code_point)) break;
    rest.remove_prefix(static_cast<size_t>(c.length));
  }
  while (right && !rest.empty()) {
    size_t at = rest.size() - 1;
    while (at > 0 && (static_cast<uint8_t>(rest[at]) & 0xC0) == 0x80) --at;
    if (!is_whitespace(decode_utf8(rest.substr(at)).code_point)) break;
    rest = rest.substr(0, at);
  }
  text = std::string(rest);
}

// Unassigned characters stay: the tables of the tokenizers library do not know them.
std::string clean(std::string_view text) {
  std::string out;
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    if (is_line_or_tab(c) || is_whitespace(c)) {
      out += ' ';
    } else if (c != 0 && c != kReplacementCharacter && (!is_control(c) || is_unassigned(c))) {
      out += bytes;
    }
  });
  return out;
}

std::string space_cjk(std::string_view text) {
  std::string out;
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    if (is_han(c)) out += ' ';
    out += bytes;
    if (is_han(c)) out += ' ';
  });
  return out;
}

std::string strip_accents(std::string_view text) {
  std::string out;
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    if (!is_nonspacing_mark(c)) out += bytes;
  });
  return out;
}

std::string lowercase(std::string_view text) {
  std::string out;
  for_each_character(text, [&](char32_t c, std::string_view) {
    if (c == 0x130) {  // the one letter whose lower case is two characters
      out += "i\xCC\x87";
    } else {
      append_utf8(out, to_lower(c));
    }
  });
  return out;
}

std::string replace(std::string_view text, const Matcher& matcher, std::string_view by) {
  std::string out;
  size_t at = 0;
  matcher.start()->for_each(text, [&](size_t begin, size_t end) {
    out += text.substr(at, begin - at);
    out += by;
    at = end;
  });
  out += text.substr(at);
  return out;
}

// sentencepiece: at every place the longest key of the map gives way to its replacement.
std::string apply_charsmap(std::string_view text, const Charsmap& map) {
  std::string out;
  while (!text.empty()) {
    const auto match = map.longest_prefix(text);
    const size_t length =
        match.length > 0 ? match.length : static_cast<size_t>(decode_utf8(text).length);
    out += match.length > 0 ? match.replacement : text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

// tokenizer.json's Precompiled: a short grapheme is replaced whole by what its shortest key maps
// to, otherwise each character is.
std::string apply_charsmap_by_grapheme(std::string_view text, const Charsmap& map) {
  std::string out;
  while (!text.empty()) {
    const std::string_view grapheme = text.substr(0, grapheme_length(text));
    text.remove_prefix(grapheme.size());
    if (grapheme.size() < 6) {
      const auto match = map.shortest_prefix(grapheme);
      if (match.length > 0) {
        out += match.replacement;
        continue;
      }
    }
    for_each_character(grapheme, [&](char32_t, std::string_view character) {
      const auto match = map.shortest_prefix(character);
      out += match.length > 0 ? match.replacement : character;
    });
  }
  return out;
}

std::string collapse_spaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string nmt(std::string_view text) {
  std::string out;
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    const bool is_dropped = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
                            c == 0x7F || c == 0x8F || c == 0x9F;
    const bool is_spaced = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                           c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    if (is_spaced) {
      out += ' ';
    } else if (!is_dropped) {
      out += bytes;
    }
  });
  return out;
}

}  // namespace

std::string Normalizer::apply(std::string_view input, bool at_start) const {
  using Kind = NormalizerStep::Kind;
  std::string text(input);
  for (const NormalizerStep& step : steps_) {
    switch (step.kind) {
      case Kind::unicode:
        text = normalize(text, step.form);
        break;
      case Kind::lowercase:
        text = lowercase(text);
        break;
      case Kind::strip:
        strip(text, step.left, step.right);
        break;
      case Kind::strip_accents:
        text = strip_accents(text);
        break;
      case Kind::replace:
        text = replace(text, *step.matcher, step.text);
        break;
      case Kind::prepend:
        if (!text.empty() && (at_start || !step.only_at_start)) text.insert(0, step.text);
        break;
      case Kind::append:
        if (!text.empty()) text += step.text;
        break;
      case Kind::clean:
        text = clean(text);
        break;
      case Kind::space_cjk:
        text = space_cjk(text);
        break;
      case Kind::charsmap:
        text = apply_charsmap(text, *step.charsmap);
        break;
      case Kind::charsmap_by_grapheme:
        text = apply_charsmap_by_grapheme(text, *step.charsmap);
        break;
      case Kind::collapse_spaces:
        text = collapse_spaces(text);
        break;
      case Kind::nmt:
        text = nmt(text);
        break;
    }
  }
  return text;
}

}  // namespace jiang
