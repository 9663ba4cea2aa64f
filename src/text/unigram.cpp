// sentencepiece's Unigram: of all segmentations the one with the highest sum of scores (Viterbi).
#include <algorithm>
#include <array>
#include <limits>

#include "base/unicode.h"
#include "text/byte_trie.h"
#include "text/token_model.h"

namespace jiang {
namespace {

// An unknown character costs this much more than the worst token.
constexpr double kUnknownPenalty = 10.0;

// `Real` is what path scores are summed in: ties between equal segmentations hang on its rounding.
template <class Real>
class Unigram final : public TokenModel {
 public:
  Unigram(const Vocabulary& vocabulary, const std::vector<double>& scores,
          const std::vector<TokenKind>& kinds, UnknownRule unknown)
      : unknown_(unknown), scores_(scores.begin(), scores.end()) {
    byte_ids_.fill(kNoToken);
    double lowest = std::numeric_limits<double>::max();
    // sentencepiece starts from the smallest positive float, so this is about 0.
    double highest = std::numeric_limits<float>::min();
    for (size_t i = 0; i < scores_.size(); ++i) {
      if (kinds[i] != TokenKind::normal) continue;
      lowest = std::min(lowest, scores_[i]);
      highest = std::max(highest, scores_[i]);
    }
    if (lowest > highest) lowest = 0;
    unknown_score_ = static_cast<Real>(lowest - kUnknownPenalty);
    std::vector<std::pair<std::string_view, int32_t>> keys;
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
      const TokenKind kind = kinds[static_cast<size_t>(id)];
      const std::string& piece = vocabulary.piece(id);
      if (const int byte = byte_of_piece(piece); byte >= 0)
        byte_ids_[static_cast<size_t>(byte)] = id;
      if (kind == TokenKind::user_defined) {
        // Always better than what its characters could be.
        scores_[static_cast<size_t>(id)] = static_cast<double>(piece.size()) * highest - 0.1;
      }
      if (kind == TokenKind::normal || kind == TokenKind::user_defined)
        keys.emplace_back(piece, id);
    }
    trie_ = ByteTrie(std::move(keys));
  }

  void encode(std::string_view piece, std::vector<TokenId>& out) const override {
    struct Best {  // the best segmentation that ends here
      Real score = std::numeric_limits<Real>::lowest();
      uint32_t begin = 0;  // of its last token
      TokenId id = kNoToken;
    };
    std::vector<Best> best(piece.size() + 1);
    best[0].score = 0;
    const auto offer = [&](size_t begin, size_t end, double score, TokenId id) {
      // Compared before it is rounded to Real, as sentencepiece does.
      if (score > best[end].score) {
        best[end] = {static_cast<Real>(score), static_cast<uint32_t>(begin), id};
      }
    };
    for (size_t at = 0; at < piece.size();) {
      const auto length = static_cast<size_t>(decode_utf8(piece.substr(at)).length);
      const Real score = best[at].score;
      bool has_single = false;
      ByteTrie::Node node = ByteTrie::kRoot;
      for (size_t end = at; end < piece.size() && !trie_.empty();) {
        node = trie_.step(node, piece[end++]);
        if (node == ByteTrie::kNone) break;
        const TokenId id = trie_.value(node);
        if (id < 0) continue;
        offer(at, end, score + scores_[static_cast<size_t>(id)], id);
        if (end == at + length) has_single = true;
      }
      if (!has_single) offer(at, at + length, score + unknown_score_, kNoToken);
      at += length;
    }

    std::vector<std::pair<size_t, size_t>> spans;
    for (size_t end = piece.size(); end > 0; end = best[end].begin)
      spans.emplace_back(best[end].begin, end);
    bool after_unknown = false;
    for (size_t i = spans.size(); i-- > 0;) {
      const auto [begin, end] = spans[i];
      const TokenId id = best[end].id;
      if (id != kNoToken) {
        out.push_back(id);
      } else if (!spell(piece.substr(begin, end - begin), out) && unknown_.unknown != kNoToken &&
                 !(after_unknown && unknown_.fuse)) {
        out.push_back(unknown_.unknown);
      }
      after_unknown = id == kNoToken;
    }
  }

 private:
  bool spell(std::string_view character, std::vector<TokenId>& out) const {
    if (!unknown_.byte_fallback) return false;
    for (const char byte : character) {
      if (byte_ids_[static_cast<uint8_t>(byte)] == kNoToken) return false;
    }
    for (const char byte : character) out.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    return true;
  }

  UnknownRule unknown_;
  std::vector<double> scores_;  // by id
  Real unknown_score_ = 0;
  std::array<TokenId, 256> byte_ids_;
  ByteTrie trie_;
};

}  // namespace

std::unique_ptr<TokenModel> make_unigram(const Vocabulary& vocabulary,
                                         const std::vector<double>& scores,
                                         const std::vector<TokenKind>& kinds, UnknownRule unknown,
                                         Precision precision) {
  if (precision == Precision::f32) {
    return std::make_unique<Unigram<float>>(vocabulary, scores, kinds, unknown);
  }
  return std::make_unique<Unigram<double>>(vocabulary, scores, kinds, unknown);
}

}  // namespace jiang
