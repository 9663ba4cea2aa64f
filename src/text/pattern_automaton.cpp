#include "text/pattern_automaton.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxPatternBytes = 64 << 10;
constexpr int kMaxPatternDepth = 100;
constexpr int32_t kMaxRepeat = 100'000;
constexpr size_t kMaxNfaStates = 200'000;
constexpr char32_t kLastCodePoint = 0x10FFFF;

struct Range {
  char32_t low, high;
};
using Ranges = std::vector<Range>;  // sorted, apart from each other

Ranges normalized(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(), [](Range a, Range b) { return a.low < b.low; });
  Ranges out;
  for (const Range range : ranges) {
    if (!out.empty() && range.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, range.high);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

Ranges complement(const Ranges& ranges) {
  Ranges out;
  char32_t next = 0;
  for (const Range range : ranges) {
    if (range.low > next) out.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kLastCodePoint) out.push_back({next, kLastCodePoint});
  return out;
}

const Ranges kDigits = {{'0', '9'}};
const Ranges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const Ranges kSpaceRanges = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                             {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                             {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const Ranges kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
const Ranges kAnything = {{0, kLastCodePoint}};

// Writes an expression into an Nfa while it is read: each function returns the state where its
// part ends. What is repeated is read again, which bounds the expansion by the Nfa's size.
struct Node {
  enum class Kind : uint8_t { empty, characters, sequence, choice, repeat, begin, end };
  Kind kind = Kind::empty;
  Ranges ranges = {};
  std::vector<std::unique_ptr<Node>> parts = {};
  int32_t min = 0, max = -1;  // of repeat; -1: any number
};
using NodePtr = std::unique_ptr<Node>;

NodePtr make(Node::Kind kind) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  return node;
}

NodePtr characters(Ranges ranges) {
  auto node = make(Node::Kind::characters);
  node->ranges = normalized(std::move(ranges));
  return node;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : text_(pattern) {}

  Result<NodePtr> parse() {
    TRY(NodePtr node, choice(0));
    if (at_ < text_.size()) return bad("has an unmatched ')'");
    return node;
  }

 private:
  template <class... Args>
  Error bad(fmt::format_string<Args...> format, Args&&... args) const {
    return fail(ErrorKind::invalid_argument, "{} at byte {}",
                fmt::format(format, std::forward<Args>(args)...), at_);
  }
  Error unsupported(std::string_view what) const {
    return fail(ErrorKind::unsupported, "{} (at byte {}) is not supported", what, at_);
  }
  bool more() const { return at_ < text_.size(); }
  bool take(std::string_view wanted) {
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  char32_t take_code_point() {
    const DecodedCodePoint decoded = decode_utf8(text_.substr(at_));
    at_ += static_cast<size_t>(decoded.length);
    return decoded.code_point;
  }

  Result<NodePtr> choice(int depth) {
    if (depth > kMaxPatternDepth)
      return fail(ErrorKind::too_large, "is nested deeper than {}", kMaxPatternDepth);
    NodePtr node = make(Node::Kind::choice);
    do {
      TRY(NodePtr part, sequence(depth));
      node->parts.push_back(std::move(part));
    } while (take("|"));
    if (node->parts.size() == 1) return std::move(node->parts[0]);
    return node;
  }

  Result<NodePtr> sequence(int depth) {
    NodePtr node = make(Node::Kind::sequence);
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      TRY(NodePtr part, atom(depth));
      TRY(part, quantified(std::move(part)));
      node->parts.push_back(std::move(part));
    }
    return node;
  }

  Result<NodePtr> quantified(NodePtr part) {
    int32_t min = 0, max = 0;
    if (take("*")) {
      max = -1;
    } else if (take("+")) {
      min = 1, max = -1;
    } else if (take("?")) {
      max = 1;
    } else if (more() && text_[at_] == '{') {
      const size_t begin = at_;
      ++at_;
      const auto low = number();
      const bool has_comma = low && take(",");
      const auto high = has_comma ? number() : low;
      if (!low || !take("}")) {  // ECMA-262, annex B: a brace that is no quantifier is text
        at_ = begin;
        return part;
      }
      min = *low;
      max = has_comma && !high ? -1 : *high;
      if (max >= 0 && min > max) return bad("has a repetition whose numbers are out of order");
      if (min > kMaxRepeat || max > kMaxRepeat)
        return fail(ErrorKind::too_large, "repeats more than {} times", kMaxRepeat);
    } else {
      return part;
    }
    if (part->kind == Node::Kind::begin || part->kind == Node::Kind::end)
      return bad("repeats an anchor");
    take("?");  // lazy: the same language
    if (more() && (text_[at_] == '*' || text_[at_] == '+' || text_[at_] == '?'))
      return bad("has two quantifiers in a row");
    NodePtr node = make(Node::Kind::repeat);
    node->min = min;
    node->max = max;
    node->parts.push_back(std::move(part));
    return node;
  }

  std::optional<int32_t> number() {
    const size_t begin = at_;
    int64_t value = 0;
    for (; more() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      value = std::min<int64_t>(value * 10 + (text_[at_] - '0'), kMaxRepeat + 1);
    if (at_ == begin) return std::nullopt;
    return static_cast<int32_t>(value);
  }

  Result<NodePtr> atom(int depth) {
    if (take("(")) {
      if (take("?:")) {
      } else if (text_.substr(at_).starts_with("?<") && !text_.substr(at_).starts_with("?<=") &&
                 !text_.substr(at_).starts_with("?<!")) {
        const size_t end = text_.find('>', at_);
        if (end == std::string_view::npos) return bad("has a group without end of its name");
        at_ = end + 1;
      } else if (more() && text_[at_] == '?') {
        return unsupported("look-around or a flag");
      }
      TRY(NodePtr node, choice(depth + 1));
      if (!take(")")) return bad("has an unmatched '('");
      return node;
    }
    if (take("^")) return make(Node::Kind::begin);
    if (take("$")) return make(Node::Kind::end);
    if (take(".")) return characters(complement(kLineEnds));
    if (take("[")) return bracket();
    if (text_[at_] == '\\') {
      ++at_;
      TRY(Ranges ranges, escape(false));
      return characters(std::move(ranges));
    }
    if (text_[at_] == '*' || text_[at_] == '+' || text_[at_] == '?')
      return bad("has a quantifier with nothing before it");
    const char32_t c = take_code_point();
    return characters({{c, c}});
  }

  // What follows a backslash.
  Result<Ranges> escape(bool in_bracket) {
    if (!more()) return bad("ends with a backslash");
    const char32_t c = take_code_point();
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return complement(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return complement(kWord);
      case 's':
        return kSpaceRanges;
      case 'S':
        return complement(kSpaceRanges);
      case 't':
        return Ranges{{'\t', '\t'}};
      case 'n':
        return Ranges{{'\n', '\n'}};
      case 'r':
        return Ranges{{'\r', '\r'}};
      case 'f':
        return Ranges{{'\f', '\f'}};
      case 'v':
        return Ranges{{'\v', '\v'}};
      case 'x':
        return hexadecimal(2);
      case 'u':
        return unicode_escape();
      case 'b':
        if (in_bracket) return Ranges{{'\b', '\b'}};
        return unsupported("a word boundary \\b");
      case 'B':
        return unsupported("\\B");
      case 'c': {
        if (!more() || !std::isalpha(static_cast<unsigned char>(text_[at_])))
          return bad("has \\c without a letter");
        const auto control = static_cast<char32_t>(text_[at_++] % 32);
        return Ranges{{control, control}};
      }
      case '0':
        if (more() && text_[at_] >= '0' && text_[at_] <= '9') return bad("has an octal escape");
        return Ranges{{0, 0}};
      default:
        break;
    }
    if (c >= '1' && c <= '9') return unsupported("a backreference");
    if (c < 0x80 && (std::isalnum(static_cast<int>(c)) != 0))
      return unsupported(fmt::format("the escape \\{}", static_cast<char>(c)));
    return Ranges{{c, c}};
  }

  Result<Ranges> hexadecimal(size_t digits) {
    TRY(const char32_t value, hex_value(digits));
    return Ranges{{value, value}};
  }

  Result<char32_t> hex_value(size_t digits) {
    char32_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!more() || !std::isxdigit(static_cast<unsigned char>(text_[at_])))
        return bad("has an escape that needs {} hexadecimal digits", digits);
      const char c = text_[at_++];
      value = value * 16 + static_cast<char32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
  }

  Result<Ranges> unicode_escape() {
    if (take("{")) {
      char32_t value = 0;
      size_t digits = 0;
      while (more() && text_[at_] != '}') {
        TRY(const char32_t digit, hex_value(1));
        value = value * 16 + digit;
        if (++digits > 6 || value > kLastCodePoint)
          return bad("has a code point that is too large");
      }
      if (digits == 0 || !take("}")) return bad("has \\u{{ without code point or end");
      return Ranges{{value, value}};
    }
    TRY(const char32_t high, hex_value(4));
    if (high >= 0xD800 && high < 0xDC00 && take("\\u")) {
      TRY(const char32_t low, hex_value(4));
      if (low < 0xDC00 || low > 0xDFFF) return bad("has half a surrogate pair");
      const char32_t both = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
      return Ranges{{both, both}};
    }
    return Ranges{{high, high}};
  }

  Result<NodePtr> bracket() {
    const bool negated = take("^");
    Ranges ranges;
    while (true) {
      if (!more()) return bad("has an unmatched '['");
      if (take("]")) break;
      TRY(Ranges low, bracket_atom());
      const bool is_range =
          more() && text_[at_] == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (!is_range) {
        ranges.insert(ranges.end(), low.begin(), low.end());
        continue;
      }
      ++at_;
      TRY(const Ranges high, bracket_atom());
      const auto is_one = [](const Ranges& r) { return r.size() == 1 && r[0].low == r[0].high; };
      if (!is_one(low) || !is_one(high)) {  // [\w-.]: all three as they are
        ranges.insert(ranges.end(), low.begin(), low.end());
        ranges.push_back({'-', '-'});
        ranges.insert(ranges.end(), high.begin(), high.end());
      } else if (low[0].low > high[0].low) {
        return bad("has a range out of order");
      } else {
        ranges.push_back({low[0].low, high[0].low});
      }
    }
    ranges = normalized(std::move(ranges));
    return characters(negated ? complement(ranges) : std::move(ranges));
  }

  Result<Ranges> bracket_atom() {
    if (take("\\")) return escape(true);
    const char32_t c = take_code_point();
    return Ranges{{c, c}};
  }

  std::string_view text_;
  size_t at_ = 0;
};

// Code points as the bytes that stand for them.
class Writer {
 public:
  explicit Writer(bool json_escapes) : json_escapes_(json_escapes) {}

  Nfa& nfa() { return nfa_; }
  bool is_full() const { return nfa_.size() > kMaxNfaStates; }

  void node(const Node& node, int32_t from, int32_t to) {
    if (is_full()) return;
    switch (node.kind) {
      case Node::Kind::empty:
        return nfa_.add_epsilon(from, to);
      case Node::Kind::begin:
        return nfa_.add_epsilon(from, to, Nfa::Anchor::begin);
      case Node::Kind::end:
        return nfa_.add_epsilon(from, to, Nfa::Anchor::end);
      case Node::Kind::characters:
        return ranges(node.ranges, from, to);
      case Node::Kind::choice:
        for (const NodePtr& part : node.parts) this->node(*part, from, to);
        return;
      case Node::Kind::sequence: {
        for (size_t i = 0; i < node.parts.size(); ++i) {
          const int32_t next = nfa_.add_state();
          this->node(*node.parts[i], from, next);
          from = next;
        }
        return nfa_.add_epsilon(from, to);
      }
      case Node::Kind::repeat:
        return repeat(node, from, to);
    }
  }

  void ranges(const Ranges& all, int32_t from, int32_t to) {
    for (const Range range : all) {
      if (!json_escapes_) {
        plain(range.low, range.high, from, to);
        continue;
      }
      if (range.low < 0x20) controls(range.low, std::min<char32_t>(range.high, 0x1F), from, to);
      for (const char c : {'"', '\\'}) {
        const auto code = static_cast<char32_t>(c);
        if (range.low <= code && code <= range.high) nfa_.add_text(from, std::string{'\\', c}, to);
      }
      plain_between(range, 0x20, '"' - 1, from, to);
      plain_between(range, '"' + 1, '\\' - 1, from, to);
      plain_between(range, '\\' + 1, kLastCodePoint, from, to);
    }
  }

 private:
  void repeat(const Node& node, int32_t from, int32_t to) {
    const Node& part = *node.parts[0];
    for (int32_t i = 0; i < node.min && !is_full(); ++i) {
      const int32_t next = nfa_.add_state();
      this->node(part, from, next);
      from = next;
    }
    if (node.max < 0) {
      const int32_t loop = nfa_.add_state();
      nfa_.add_epsilon(from, loop);
      this->node(part, loop, loop);
      nfa_.add_epsilon(loop, to);
      return;
    }
    for (int32_t i = node.min; i < node.max && !is_full(); ++i) {
      nfa_.add_epsilon(from, to);
      const int32_t next = nfa_.add_state();
      this->node(part, from, next);
      from = next;
    }
    nfa_.add_epsilon(from, to);
  }

  void plain_between(Range range, char32_t low, char32_t high, int32_t from, int32_t to) {
    low = std::max(low, range.low);
    high = std::min(high, range.high);
    if (low <= high) plain(low, high, from, to);
  }

  void controls(char32_t low, char32_t high, int32_t from, int32_t to) {
    constexpr std::string_view kShort = "\bb\ff\nn\rr\tt";
    for (char32_t c = low; c <= high; ++c) {
      std::string text = fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
      for (size_t i = 0; i < kShort.size(); i += 2) {
        if (static_cast<char32_t>(kShort[i]) == c) text = std::string{'\\', kShort[i + 1]};
      }
      nfa_.add_text(from, text, to);
    }
  }

  // UTF-8, without the surrogates.
  void plain(char32_t low, char32_t high, int32_t from, int32_t to) {
    constexpr std::array<Range, 5> kLengths = {
        {{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, kLastCodePoint}}};
    for (const Range length : kLengths) {
      const char32_t first = std::max(low, length.low), last = std::min(high, length.high);
      if (first > last) continue;
      std::string a, b;
      append_utf8(a, first);
      append_utf8(b, last);
      between(a, b, from, to);
    }
  }

  // All byte strings of one length between `a` and `b` whose later bytes are continuations.
  void between(std::string_view a, std::string_view b, int32_t from, int32_t to) {
    const auto a0 = static_cast<uint8_t>(a[0]), b0 = static_cast<uint8_t>(b[0]);
    if (a.size() == 1) return nfa_.add_edge(from, a0, b0, to);
    if (a0 == b0) {
      const int32_t next = nfa_.add_state();
      nfa_.add_edge(from, a0, a0, next);
      return between(a.substr(1), b.substr(1), next, to);
    }
    const std::string lowest(a.size() - 1, '\x80'), highest(a.size() - 1, '\xBF');
    const bool a_is_lowest = a.substr(1) == lowest, b_is_highest = b.substr(1) == highest;
    if (!a_is_lowest) {
      const int32_t next = nfa_.add_state();
      nfa_.add_edge(from, a0, a0, next);
      between(a.substr(1), highest, next, to);
    }
    const auto first = static_cast<uint8_t>(a_is_lowest ? a0 : a0 + 1);
    const auto last = static_cast<uint8_t>(b_is_highest ? b0 : b0 - 1);
    if (first <= last) nfa_.add_edge(from, first, last, continuations(to, a.size() - 1));
    if (!b_is_highest) {
      const int32_t next = nfa_.add_state();
      nfa_.add_edge(from, b0, b0, next);
      between(lowest, b.substr(1), next, to);
    }
  }

  // A state from which `count` continuation bytes lead to `to`; shared.
  int32_t continuations(int32_t to, size_t count) {
    if (count == 0) return to;
    const auto [at, is_new] = continuations_.try_emplace({to, count}, 0);
    if (!is_new) return at->second;
    const int32_t next = continuations(to, count - 1);
    const int32_t state = nfa_.add_state();
    nfa_.add_edge(state, 0x80, 0xBF, next);
    continuations_[{to, count}] = state;
    return state;
  }

  const bool json_escapes_;
  Nfa nfa_;
  std::map<std::pair<int32_t, size_t>, int32_t> continuations_;
};

Result<Dfa> compile(std::string_view pattern, PatternMode mode, bool json_escapes,
                    DfaLimits limits) {
  if (pattern.size() > kMaxPatternBytes) {
    return fail(ErrorKind::too_large, "has {} bytes, at most {} are allowed", pattern.size(),
                kMaxPatternBytes);
  }
  if (!is_valid_utf8(pattern)) return fail(ErrorKind::invalid_argument, "is not valid UTF-8");
  TRY(const NodePtr root, Parser(pattern).parse());
  Writer writer(json_escapes);
  Nfa& nfa = writer.nfa();
  const int32_t begin = nfa.add_state(), end = nfa.add_state(), accepting = nfa.add_state();
  nfa.add_epsilon(Nfa::kStart, begin);
  writer.node(*root, begin, end);
  nfa.add_epsilon(end, accepting);
  if (mode == PatternMode::search) {
    const int32_t before = nfa.add_state(), after = nfa.add_state();
    nfa.add_epsilon(Nfa::kStart, before);
    writer.ranges(kAnything, before, before);
    nfa.add_epsilon(before, begin);
    nfa.add_epsilon(end, after);
    writer.ranges(kAnything, after, after);
    nfa.add_epsilon(after, accepting);
  }
  nfa.set_accepting(accepting);
  if (writer.is_full())
    return fail(ErrorKind::too_large, "is larger than {} states when written out", kMaxNfaStates);
  return determinize(nfa, limits);
}

}  // namespace

Result<Dfa> pattern_dfa(std::string_view pattern, PatternMode mode, DfaLimits limits) {
  return compile(pattern, mode, false, limits);
}

Result<Dfa> json_string_pattern_dfa(std::string_view pattern, PatternMode mode, DfaLimits limits) {
  return compile(pattern, mode, true, limits);
}

Result<Dfa> json_string_length_dfa(int64_t min, int64_t max, DfaLimits limits) {
  constexpr int64_t kMaxCounted = 2000;
  if (std::max(min, max) > kMaxCounted) {
    return fail(ErrorKind::too_large,
                "together with a length above {} characters is more than can be counted",
                kMaxCounted);
  }
  const std::string upper = max < 0 ? "" : std::to_string(max);
  return compile(fmt::format("^[^]{{{},{}}}$", min, upper), PatternMode::whole, true, limits);
}

}  // namespace jiang
