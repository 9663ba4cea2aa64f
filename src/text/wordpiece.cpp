// BERT's WordPiece: a word is its longest known prefix, then the longest known continuation
// ("##x"), and so on; a word that does not come out even is unknown as a whole.
#include <algorithm>

#include "base/unicode.h"
#include "text/normalizer.h"
#include "text/token_model.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

class WordPiece final : public TokenModel {
 public:
  WordPiece(const Vocabulary& vocabulary, WordPieceRules rules)
      : vocabulary_(vocabulary), rules_(std::move(rules)) {}

  void encode(std::string_view word, std::vector<TokenId>& out) const override {
    std::vector<size_t> ends;  // of each character
    for (size_t at = 0; at < word.size() && ends.size() <= rules_.max_characters;) {
      at += static_cast<size_t>(decode_utf8(word.substr(at)).length);
      ends.push_back(at);
    }
    const size_t before = out.size();
    bool is_known = ends.size() <= rules_.max_characters;
    std::string key;
    size_t next = 0;  // index of the first character that has no token yet
    while (is_known && next < ends.size()) {
      const size_t begin = next == 0 ? 0 : ends[next - 1];
      TokenId id = kNoToken;
      size_t last = ends.size();
      for (; last > next; --last) {
        key = next == 0 ? std::string() : rules_.continuation;
        key += word.substr(begin, ends[last - 1] - begin);
        id = vocabulary_.find(key);
        if (id != kNoToken) break;
      }
      is_known = id != kNoToken;
      if (is_known) out.push_back(id);
      next = last;
    }
    if (is_known) return;
    out.resize(before);
    if (rules_.unknown != kNoToken) out.push_back(rules_.unknown);
  }

 private:
  const Vocabulary& vocabulary_;
  WordPieceRules rules_;
};

bool is_bert_punctuation(char32_t c) {
  const bool is_ascii_symbol = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) ||
                               (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return is_ascii_symbol || is_punctuation(c);
}

}  // namespace

std::unique_ptr<TokenModel> make_wordpiece(const Vocabulary& vocabulary, WordPieceRules rules) {
  return std::make_unique<WordPiece>(vocabulary, std::move(rules));
}

std::vector<NormalizerStep> bert_normalizer(bool clean, bool cjk, bool strip_accents,
                                            bool lowercase) {
  using Kind = NormalizerStep::Kind;
  std::vector<NormalizerStep> steps;
  if (clean) steps.push_back({.kind = Kind::clean});
  if (cjk) steps.push_back({.kind = Kind::space_cjk});
  if (strip_accents) {
    steps.push_back({.kind = Kind::unicode, .form = Normalization::nfd});
    steps.push_back({.kind = Kind::strip_accents});
  }
  if (lowercase) steps.push_back({.kind = Kind::lowercase});
  return steps;
}

std::vector<PreTokenizerStep> bert_pre_tokenizer() {
  return {PreTokenizerStep::split(make_class_matcher(is_whitespace, ClassRuns::one_by_one),
                                  SplitBehavior::removed),
          PreTokenizerStep::split(make_class_matcher(is_bert_punctuation, ClassRuns::one_by_one),
                                  SplitBehavior::isolated)};
}

}  // namespace jiang
