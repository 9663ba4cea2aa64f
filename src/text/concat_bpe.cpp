// BPE whose merges are the vocabulary itself: two neighbours may join when their concatenation is
// a piece. sentencepiece orders the joins by score, tiktoken by rank.
#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_map>

#include "base/unicode.h"
#include "text/byte_trie.h"
#include "text/merge.h"
#include "text/piece_borders.h"
#include "text/token_model.h"

namespace jiang {
namespace {

class RankBpe final : public TokenModel {
 public:
  RankBpe(const Vocabulary& vocabulary, TokenId n_ranks)
      : vocabulary_(vocabulary), n_ranks_(n_ranks) {
    for (size_t i = 0; i < 256; ++i) {
      const char byte = static_cast<char>(i);
      byte_ids_[i] = vocabulary.find({&byte, 1});
    }
  }

  void encode(std::string_view piece, std::vector<TokenId>& out) const override {
    const TokenId whole = vocabulary_.find(piece);
    if (whole != kNoToken && whole < n_ranks_) {
      out.push_back(whole);
      return;
    }
    std::vector<MergeSymbol> symbols;
    symbols.reserve(piece.size());
    for (size_t i = 0; i < piece.size(); ++i) {
      symbols.push_back({static_cast<uint32_t>(i), 1, byte_ids_[static_cast<uint8_t>(piece[i])]});
    }
    merge_symbols(
        symbols, [&](const MergeSymbol& left, const MergeSymbol& right) -> MergeCandidate {
          const TokenId id = vocabulary_.find(piece.substr(left.begin, left.length + right.length));
          if (id == kNoToken || id >= n_ranks_) return {};
          return {id, id};
        });
    for (const MergeSymbol& symbol : symbols) {
      if (symbol.id != kNoToken) out.push_back(symbol.id);
    }
  }

 private:
  const Vocabulary& vocabulary_;
  TokenId n_ranks_;
  std::array<TokenId, 256> byte_ids_;
};

class ScoreBpe final : public TokenModel {
 public:
  ScoreBpe(const Vocabulary& vocabulary, const std::vector<double>& scores,
           const std::vector<TokenKind>& kinds, UnknownRule unknown)
      : vocabulary_(vocabulary), kinds_(kinds), unknown_(unknown), ranks_(scores.size()) {
    byte_ids_.fill(kNoToken);
    std::vector<std::pair<std::string_view, int32_t>> whole;
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
      const TokenKind kind = kinds[static_cast<size_t>(id)];
      const int byte = byte_of_piece(vocabulary.piece(id));
      if (byte >= 0 &&
          (kind == TokenKind::byte || byte_ids_[static_cast<size_t>(byte)] == kNoToken)) {
        byte_ids_[static_cast<size_t>(byte)] = id;
      }
      if (kind == TokenKind::user_defined) whole.emplace_back(vocabulary.piece(id), id);
    }
    user_defined_ = ByteTrie(std::move(whole));
    borders_ = PieceBorders(vocabulary, [&](TokenId id) { return is_piece(id); });
    // Equal scores get equal ranks: then the leftmost join goes first.
    std::vector<TokenId> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    const auto score = [&](TokenId id) { return scores[static_cast<size_t>(id)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](TokenId a, TokenId b) { return score(a) > score(b); });
    int32_t rank = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && score(order[i]) != score(order[i - 1])) ++rank;
      ranks_[static_cast<size_t>(order[i])] = rank;
    }
  }

  void encode(std::string_view piece, std::vector<TokenId>& out) const override {
    bool after_unknown = false;
    for (size_t at = 0; at < piece.size();) {
      const size_t end = borders_.next_cut(piece, at);
      encode_part(piece.substr(at, end - at), after_unknown, out);
      at = end;
    }
  }

 private:
  using Splits = std::unordered_map<std::string_view, uint32_t>;

  void encode_part(std::string_view part, bool& after_unknown, std::vector<TokenId>& out) const {
    std::vector<MergeSymbol> symbols;
    symbols.reserve(part.size());
    for (size_t at = 0; at < part.size();) {
      const auto match = user_defined_.longest_prefix(part.substr(at));
      const size_t length = match.length > 0
                                ? match.length
                                : static_cast<size_t>(decode_utf8(part.substr(at)).length);
      const TokenId id = match.length > 0 ? match.value : find(part.substr(at, length));
      symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(length), id});
      at += length;
    }
    Splits splits;
    merge_symbols(
        symbols, [&](const MergeSymbol& left, const MergeSymbol& right) -> MergeCandidate {
          if (is_whole(left) || is_whole(right)) return {};
          const std::string_view joined = part.substr(left.begin, left.length + right.length);
          const TokenId id = find(joined);
          if (id == kNoToken) return {};
          if (kinds_[static_cast<size_t>(id)] == TokenKind::unused) splits[joined] = left.length;
          return {ranks_[static_cast<size_t>(id)], id};
        });
    for (const MergeSymbol& symbol : symbols) {
      const std::string_view bytes = part.substr(symbol.begin, symbol.length);
      const bool is_unknown = symbol.id == kNoToken && !unknown_.byte_fallback;
      if (symbol.id == kNoToken) {
        if (!(is_unknown && after_unknown && unknown_.fuse)) spell(bytes, out);
      } else if (kinds_[static_cast<size_t>(symbol.id)] == TokenKind::unused) {
        split_unused(bytes, splits, out);
      } else {
        out.push_back(symbol.id);
      }
      after_unknown = is_unknown;
    }
  }

  TokenId find(std::string_view bytes) const {
    const TokenId id = vocabulary_.find(bytes);
    return id != kNoToken && is_piece(id) ? id : kNoToken;
  }

  bool is_piece(TokenId id) const {
    const TokenKind kind = kinds_[static_cast<size_t>(id)];
    return kind == TokenKind::normal || kind == TokenKind::user_defined ||
           kind == TokenKind::unused;
  }

  bool is_whole(const MergeSymbol& symbol) const {
    return symbol.id != kNoToken &&
           kinds_[static_cast<size_t>(symbol.id)] == TokenKind::user_defined;
  }

  void spell(std::string_view bytes, std::vector<TokenId>& out) const {
    if (!unknown_.byte_fallback) {
      if (unknown_.unknown != kNoToken) out.push_back(unknown_.unknown);
      return;
    }
    for (const char byte : bytes) {
      const TokenId id = byte_ids_[static_cast<uint8_t>(byte)];
      out.push_back(id != kNoToken ? id : std::max(unknown_.unknown, 0));
    }
  }

  // An unused piece may take part in merging but not in the result: undo its merge, until all
  // parts may stand. `splits` has where each was joined last.
  void split_unused(std::string_view bytes, const Splits& splits, std::vector<TokenId>& out) const {
    std::vector<std::string_view> stack{bytes};
    while (!stack.empty()) {
      const std::string_view part = stack.back();
      stack.pop_back();
      const TokenId id = find(part);
      const auto split = splits.find(part);
      if (id == kNoToken) {
        spell(part, out);
      } else if (kinds_[static_cast<size_t>(id)] != TokenKind::unused || split == splits.end()) {
        out.push_back(id);
      } else {
        stack.push_back(part.substr(split->second));
        stack.push_back(part.substr(0, split->second));
      }
    }
  }

  const Vocabulary& vocabulary_;
  std::vector<TokenKind> kinds_;
  UnknownRule unknown_;
  std::vector<int32_t> ranks_;  // by id; lower joins earlier
  std::array<TokenId, 256> byte_ids_;
  ByteTrie user_defined_;
  PieceBorders borders_;
};

}  // namespace

std::unique_ptr<TokenModel> make_rank_bpe(const Vocabulary& vocabulary, TokenId n_ranks) {
  return std::make_unique<RankBpe>(vocabulary, n_ranks);
}

std::unique_ptr<TokenModel> make_score_bpe(const Vocabulary& vocabulary,
                                           const std::vector<double>& scores,
                                           const std::vector<TokenKind>& kinds,
                                           UnknownRule unknown) {
  return std::make_unique<ScoreBpe>(vocabulary, scores, kinds, unknown);
}

}  // namespace jiang
