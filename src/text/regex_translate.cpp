// Oniguruma's dialect (which tokenizer.json is written in) -> PCRE2's.
#include <algorithm>
#include <array>
#include <cctype>

#include "text/pcre2_wrapper.h"
#include "text/regex.h"

namespace jiang {
namespace {

// White_Space of Unicode 15. PCRE2's own \s adds U+180E.
constexpr std::string_view kSpaceClass =
    R"(\x09-\x0d\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x00-\x08\x0e-\x1f\x21-\x84\x86-\x9f\xa1-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
// UTS 18's word characters. PCRE2 10.42 knows letters, numbers and "_" only.
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

constexpr std::array kCategories = {"Any", "C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "L&", "Ll",
                                    "Lm",  "Lo", "Lt", "Lu", "M",  "Mc", "Me", "Mn", "N",  "Nd",
                                    "Nl",  "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps",
                                    "S",   "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};

constexpr std::array<std::array<std::string_view, 2>, 9> kLongNames = {{{"Letter", "L"},
                                                                        {"Mark", "M"},
                                                                        {"Number", "N"},
                                                                        {"Punctuation", "P"},
                                                                        {"Symbol", "S"},
                                                                        {"Separator", "Z"},
                                                                        {"Other", "C"},
                                                                        {"Han", "sc:Han"},
                                                                        {"Hangul", "sc:Hangul"}}};

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  Result<std::string> run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        TRY_STATUS(escape_outside());
      } else if (c == '[') {
        TRY_STATUS(char_class());
      } else if (c == '(' && at_ + 1 < in_.size() && in_[at_ + 1] == '?') {
        TRY_STATUS(group());
      } else if (c == '}' && at_ + 1 < in_.size() && in_[at_ + 1] == '+') {
        // Greedy twice over in Oniguruma, possessive elsewhere.
        return refuse("\"}+\" means different things to different engines");
      } else {
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  Error refuse(std::string_view why) const {
    return fail(ErrorKind::unsupported, "{}: pattern \"{}\": {} at byte {}", where_,
                in_.substr(0, 200), why, at_);
  }

  void append(std::initializer_list<std::string_view> parts) {
    for (const auto part : parts) out_ += part;
  }

  Status escape_outside() {
    if (at_ + 1 >= in_.size()) return refuse("a lone backslash");
    const char c = in_[at_ + 1];
    switch (c) {
      case 's':
        append({"[", kSpaceClass, "]"});
        break;
      case 'S':
        append({"[^", kSpaceClass, "]"});
        break;
      case 'w':
        append({"[", kWord, "]"});
        break;
      case 'W':
        append({"[^", kWord, "]"});
        break;
      case 'd':
        out_ += R"(\p{Nd})";
        break;
      case 'D':
        out_ += R"(\P{Nd})";
        break;
      case 'h':
        out_ += "[0-9a-fA-F]";
        break;
      case 'H':
        out_ += "[^0-9a-fA-F]";
        break;
      case 'b':
        append({"(?:(?<=[", kWord, "])(?![", kWord, "])|(?<![", kWord, "])(?=[", kWord, "]))"});
        break;
      case 'B':
        append({"(?:(?<=[", kWord, "])(?=[", kWord, "])|(?<![", kWord, "])(?![", kWord, "]))"});
        break;
      case 'p':
      case 'P':
      case 'u':
        return escape_common();
      case 'K':
      case 'C':
      case 'Q':
        return refuse("an escape that tokenizer patterns cannot use");
      case 'x':
        if (in_.substr(at_ + 2, 1) == "{") {
          const size_t close = in_.find('}', at_);
          if (close == std::string_view::npos) return refuse("\\x{ without }");
          append({in_.substr(at_, close + 1 - at_)});
          at_ = close + 1;
          return ok();
        }
        [[fallthrough]];
      default:
        append({in_.substr(at_, 2)});
        break;
    }
    at_ += 2;
    return ok();
  }

  // \p{..}, \P{..}, \uXXXX: the same inside and outside of a class.
  Status escape_common() {
    const char c = in_[at_ + 1];
    if (c == 'u') {
      const auto digits = in_.substr(at_ + 2, 4);
      if (digits.size() < 4 || !std::all_of(digits.begin(), digits.end(), [](unsigned char d) {
            return std::isxdigit(d) != 0;
          })) {
        return refuse("\\u needs four hexadecimal digits");
      }
      append({R"(\x{)", digits, "}"});
      at_ += 6;
      return ok();
    }
    bool negated = c == 'P';
    std::string name;
    if (at_ + 2 < in_.size() && in_[at_ + 2] == '{') {
      const size_t close = in_.find('}', at_);
      if (close == std::string_view::npos) return refuse("\\p{ without }");
      name = in_.substr(at_ + 3, close - at_ - 3);
      at_ = close + 1;
    } else {
      name = in_.substr(at_ + 2, 1);
      at_ += 3;
    }
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.erase(0, 1);
    }
    append({negated ? R"(\P{)" : R"(\p{)", property(name), "}"});
    return ok();
  }

  // \p{Han} asks PCRE2 for script extensions; every other engine means the script.
  static std::string property(std::string name) {
    for (const auto& [from, to] : kLongNames) {
      if (name == from) return std::string(to);
    }
    if (std::find(kCategories.begin(), kCategories.end(), name) != kCategories.end()) return name;
    std::replace(name.begin(), name.end(), '=', ':');
    if (name.find(':') == std::string::npos && pcre2_accepts(R"(\p{sc:)" + name + "}")) {
      return "sc:" + name;
    }
    return name;
  }

  Status group() {
    // (?: (?= (?! (?<= (?<! (?> as they are; of the flags only i, because Oniguruma's m is not m.
    size_t end = at_ + 2;
    while (end < in_.size() &&
           (std::isalpha(static_cast<unsigned char>(in_[end])) || in_[end] == '-')) {
      if (in_[end] != 'i' && in_[end] != '-')
        return refuse("a group or flag that is not supported");
      ++end;
    }
    if (end < in_.size() && in_[end] == '#') return refuse("a comment");
    append({in_.substr(at_, end - at_)});
    at_ = end;
    return ok();
  }

  Status char_class() {
    int depth = 0;
    do {
      if (at_ >= in_.size()) return refuse("a class without ]");
      const char c = in_[at_];
      if (c == '\\') {
        TRY_STATUS(escape_inside());
      } else if (c == '[' && in_.substr(at_, 2) == "[:") {
        const size_t close = in_.find(":]", at_);
        if (close == std::string_view::npos) return refuse("[: without :]");
        append({in_.substr(at_, close + 2 - at_)});
        at_ = close + 2;
      } else if (c == '[') {
        // A class in a class is their union: its brackets go.
        if (++depth == 1) out_ += c;
        ++at_;
        if (at_ < in_.size() && in_[at_] == '^') {
          if (depth > 1) return refuse("a negated class inside a class");
          out_ += '^';
          ++at_;
        }
        if (at_ < in_.size() && in_[at_] == ']') {
          out_ += R"(\])";
          ++at_;
        }
      } else if (c == ']') {
        if (--depth == 0) out_ += c;
        ++at_;
      } else if (in_.substr(at_, 2) == "&&") {
        return refuse("an intersection of classes");
      } else {
        out_ += c;
        ++at_;
      }
    } while (depth > 0);
    return ok();
  }

  Status escape_inside() {
    if (at_ + 1 >= in_.size()) return refuse("a lone backslash");
    switch (in_[at_ + 1]) {
      case 's':
        out_ += kSpaceClass;
        break;
      case 'S':
        out_ += kNotSpace;
        break;
      case 'w':
        out_ += kWord;
        break;
      case 'd':
        out_ += R"(\p{Nd})";
        break;
      case 'D':
        out_ += R"(\P{Nd})";
        break;
      case 'h':
        out_ += "0-9a-fA-F";
        break;
      case 'p':
      case 'P':
      case 'u':
        return escape_common();
      case 'W':
      case 'H':
      case 'Q':
        return refuse("a class escape that is not supported");
      default:
        append({in_.substr(at_, 2)});
        break;
    }
    at_ += 2;
    return ok();
  }

  std::string_view in_;
  std::string_view where_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> translate_pattern(std::string_view pattern, std::string_view where) {
  return Translator(pattern, where).run();
}

}  // namespace jiang
