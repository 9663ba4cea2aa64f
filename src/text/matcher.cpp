#include "text/matcher.h"

#include <algorithm>

#include "base/unicode.h"
#include "text/regex.h"

namespace jiang {
namespace {

using Found = FunctionRef<void(size_t, size_t)>;

size_t length_at(std::string_view text, size_t at) {
  return static_cast<size_t>(decode_utf8(text.substr(at)).length);
}

// A matcher without scratch: one function of the text.
template <class Search>
class SimpleMatcher final : public Matcher {
 public:
  explicit SimpleMatcher(Search search, TilingMatcher tiling = nullptr)
      : search_(std::move(search)), tiling_(tiling) {}

  std::unique_ptr<MatchSession> start() const override {
    struct Session final : MatchSession {
      explicit Session(const Search& search) : search_(search) {}
      void for_each(std::string_view text, Found found) override { search_(text, found); }
      const Search& search_;
    };
    return std::make_unique<Session>(search_);
  }
  TilingMatcher tiling() const override { return tiling_; }

 private:
  Search search_;
  TilingMatcher tiling_;
};

template <class Search>
MatcherPtr make_simple(Search search, TilingMatcher tiling = nullptr) {
  return std::make_shared<const SimpleMatcher<Search>>(std::move(search), tiling);
}

class RegexMatcher final : public Matcher {
 public:
  explicit RegexMatcher(Regex regex) : regex_(std::move(regex)) {}
  std::unique_ptr<MatchSession> start() const override {
    struct Session final : MatchSession {
      explicit Session(const Regex& regex) : session_(regex) {}
      void for_each(std::string_view text, Found found) override {
        session_.for_each_match(text, found);
      }
      Regex::Session session_;
    };
    return std::make_unique<Session>(regex_);
  }

 private:
  Regex regex_;
};

// Long numbers grouped by three from their right end. Written as regular expressions these look
// ahead to the end of the number at every group, which is quadratic in its length.
enum class Grouping {
  pieces,  // \d{1,3}(?=(?:\d{3})*\b): the groups, where no word character follows the number
  borders  // (?=(\d{3})+(?!\d)): the empty places before each group of three
};

class DigitGroupMatcher final : public Matcher {
 public:
  DigitGroupMatcher(Regex word_character, Grouping grouping)
      : word_character_(std::move(word_character)), grouping_(grouping) {}

  std::unique_ptr<MatchSession> start() const override {
    return std::make_unique<Session>(word_character_, grouping_);
  }

 private:
  class Session final : public MatchSession {
   public:
    Session(const Regex& word_character, Grouping grouping)
        : word_character_(word_character), grouping_(grouping) {}

    void for_each(std::string_view text, Found found) override {
      size_t at = 0;
      while (at < text.size()) {
        size_t end = at;
        size_t n_digits = 0;
        for (; end < text.size(); ++n_digits) {
          const auto c = decode_utf8(text.substr(end));
          if (!is_decimal_digit(c.code_point)) break;
          end += static_cast<size_t>(c.length);
        }
        if (n_digits == 0) {
          at += length_at(text, at);
          continue;
        }
        if (grouping_ == Grouping::borders) {
          report(text, at, n_digits, [&](size_t begin, size_t group_end, size_t size) {
            if (size == 3) found(begin, begin);
            (void)group_end;
          });
        } else if (!starts_with_word_character(text.substr(end))) {
          report(text, at, n_digits,
                 [&](size_t begin, size_t group_end, size_t) { found(begin, group_end); });
        }
        at = end;
      }
    }

   private:
    template <class Report>
    static void report(std::string_view text, size_t at, size_t n_digits, Report report_group) {
      while (n_digits > 0) {
        const size_t size = n_digits % 3 == 0 ? 3 : n_digits % 3;
        size_t end = at;
        for (size_t i = 0; i < size; ++i) end += length_at(text, end);
        report_group(at, end, size);
        at = end;
        n_digits -= size;
      }
    }

    bool starts_with_word_character(std::string_view text) {
      if (text.empty()) return false;
      bool is_word = false;
      word_character_.for_each_match(text.substr(0, length_at(text, 0)),
                                     [&](size_t, size_t) { is_word = true; });
      return is_word;
    }

    Regex::Session word_character_;
    Grouping grouping_;
  };

  Regex word_character_;
  Grouping grouping_;
};

}  // namespace

Result<MatcherPtr> make_regex_matcher(std::string_view pattern, std::string_view where) {
  TRY(Regex regex, Regex::compile(pattern, where));
  return MatcherPtr(std::make_shared<const RegexMatcher>(std::move(regex)));
}

Result<MatcherPtr> make_pattern_matcher(std::string_view pattern, std::string_view where) {
  if (const TilingMatcher next = find_known_pattern(pattern)) {
    return make_simple(
        [next](std::string_view text, Found found) {
          for (size_t at = 0; at < text.size();) {
            const size_t end = next(text, at);
            found(at, end);
            at = end;
          }
        },
        next);
  }
  const bool is_pieces = pattern == patterns::kRightAlignedDigits;
  if (is_pieces || pattern == patterns::kThousands) {
    TRY(Regex word, Regex::compile(R"(\w)", where));
    return MatcherPtr(std::make_shared<const DigitGroupMatcher>(
        std::move(word), is_pieces ? Grouping::pieces : Grouping::borders));
  }
  return make_regex_matcher(pattern, where);
}

MatcherPtr make_literal_matcher(std::string literal) {
  return make_simple([literal = std::move(literal)](std::string_view text, Found found) {
    if (literal.empty()) return;
    for (size_t at = text.find(literal); at != std::string_view::npos;
         at = text.find(literal, at + literal.size())) {
      found(at, at + literal.size());
    }
  });
}

MatcherPtr make_class_matcher(bool (*is_member)(char32_t), ClassRuns runs) {
  return make_simple([is_member, runs](std::string_view text, Found found) {
    constexpr size_t kOutside = std::string_view::npos;
    size_t begin = kOutside;
    size_t at = 0;
    while (at < text.size()) {
      const auto c = decode_utf8(text.substr(at));
      const size_t end = at + static_cast<size_t>(c.length);
      const bool is_in = is_member(c.code_point);
      if (is_in && runs == ClassRuns::one_by_one) {
        found(at, end);
      } else if (is_in && begin == kOutside) {
        begin = at;
      } else if (!is_in && begin != kOutside) {
        found(begin, at);
        begin = kOutside;
      }
      at = end;
    }
    if (begin != kOutside) found(begin, text.size());
  });
}

MatcherPtr make_fixed_length_matcher(size_t n) {
  return make_simple([n](std::string_view text, Found found) {
    for (size_t at = 0; at < text.size();) {
      size_t end = at;
      for (size_t i = 0; i < n && end < text.size(); ++i) end += length_at(text, end);
      found(at, end);
      at = end;
    }
  });
}

}  // namespace jiang
