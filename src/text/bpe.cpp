// BPE with an explicit list of merges, over bytes (GPT-2 and most since) or characters.
#include <array>
#include <atomic>
#include <bit>

#include "base/result.h"
#include "base/unicode.h"
#include "text/merge.h"
#include "text/piece_borders.h"
#include "text/token_model.h"

namespace jiang {
namespace {

// (left id, right id) -> rank and result. Open addressing, at most 2/3 full.
class PairTable {
 public:
  explicit PairTable(const std::vector<Merge>& merges) {
    const size_t n_slots = std::bit_ceil(std::max<size_t>(16, merges.size() + merges.size() / 2));
    shift_ = 64 - std::countr_zero(n_slots);
    slots_.resize(n_slots);
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const uint64_t key = key_of(merges[rank].left, merges[rank].right);
      size_t at = slot_of(key);
      while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & (n_slots - 1);
      // A pair that is listed twice has its first, stronger rank.
      if (slots_[at].key == kFree)
        slots_[at] = {key, static_cast<int32_t>(rank), merges[rank].result};
    }
  }

  MergeCandidate find(TokenId left, TokenId right) const {
    if (left == kNoToken || right == kNoToken) return {};
    const uint64_t key = key_of(left, right);
    for (size_t at = slot_of(key);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].key == key) return {slots_[at].rank, slots_[at].result};
      if (slots_[at].key == kFree) return {};
    }
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t key = kFree;
    int32_t rank = 0;
    TokenId result = kNoToken;
  };

  static uint64_t key_of(TokenId left, TokenId right) {
    return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const {
    return static_cast<size_t>((key * 0x9E3779B97F4A7C15ull) >> shift_);
  }

  std::vector<Slot> slots_;
  int shift_ = 0;
};

class MergeListBpe : public TokenModel {
 public:
  MergeListBpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, UnknownRule unknown,
               bool ignore_merges)
      : vocabulary_(vocabulary),
        pairs_(merges),
        unknown_(unknown),
        ignore_merges_(ignore_merges),
        whole_(static_cast<size_t>(vocabulary.size())) {}

  void encode(std::string_view piece, std::vector<TokenId>& out) const final {
    if (ignore_merges_) {
      const TokenId whole = vocabulary_.find(piece);
      if (whole != kNoToken) {
        out.push_back(whole);
        return;
      }
    }
    bool after_unknown = false;
    for (size_t at = 0; at < piece.size();) {
      const size_t end = next_cut(piece, at);
      encode_part(piece.substr(at, end - at), after_unknown, out);
      at = end;
    }
  }

 protected:
  // The smallest symbols of `piece`; those that are no token have id kNoToken.
  virtual void split(std::string_view piece, std::vector<MergeSymbol>& symbols) const = 0;
  // The end of the part of `piece` at `at` that no merge leaves.
  virtual size_t next_cut(std::string_view piece, size_t at) const = 0;

  const Vocabulary& vocabulary_;

 private:
  enum : uint8_t { kUnasked, kYes, kNo };

  void encode_part(std::string_view part, bool& after_unknown, std::vector<TokenId>& out) const {
    // Most words are one token. Whether a token is what its own bytes merge to is found out at its
    // first use, and remembered.
    const TokenId whole = vocabulary_.find(part);
    if (whole == kNoToken) {
      merge(part, after_unknown, out);
      return;
    }
    std::atomic<uint8_t>& answer = whole_[static_cast<size_t>(whole)];
    const uint8_t known = answer.load(std::memory_order_relaxed);
    if (known == kYes) {
      out.push_back(whole);
      after_unknown = false;
      return;
    }
    const size_t before = out.size();
    merge(part, after_unknown, out);
    if (known == kUnasked) {
      const bool same = out.size() == before + 1 && out.back() == whole;
      answer.store(same ? kYes : kNo, std::memory_order_relaxed);
    }
  }

  void merge(std::string_view piece, bool& after_unknown, std::vector<TokenId>& out) const {
    std::vector<MergeSymbol> symbols;
    symbols.reserve(piece.size());
    split(piece, symbols);
    merge_symbols(symbols, [&](const MergeSymbol& left, const MergeSymbol& right) {
      return pairs_.find(left.id, right.id);
    });
    for (const MergeSymbol& symbol : symbols) {
      const bool is_unknown = symbol.id == kNoToken;
      const TokenId id = is_unknown ? unknown_.unknown : symbol.id;
      if (id != kNoToken && !(is_unknown && after_unknown && unknown_.fuse)) out.push_back(id);
      after_unknown = is_unknown;
    }
  }

  PairTable pairs_;
  UnknownRule unknown_;
  bool ignore_merges_;
  mutable std::vector<std::atomic<uint8_t>> whole_;  // (vocab_size)
};

class ByteBpe final : public MergeListBpe {
 public:
  ByteBpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, UnknownRule unknown,
          bool ignore_merges)
      : MergeListBpe(vocabulary, merges, unknown, ignore_merges) {
    for (size_t i = 0; i < 256; ++i) {
      const char byte = static_cast<char>(i);
      byte_ids_[i] = vocabulary.find({&byte, 1});
    }
  }

 private:
  void split(std::string_view piece, std::vector<MergeSymbol>& symbols) const override {
    for (size_t i = 0; i < piece.size(); ++i) {
      symbols.push_back({static_cast<uint32_t>(i), 1, byte_ids_[static_cast<uint8_t>(piece[i])]});
    }
  }
  // Pre-tokens are words already.
  size_t next_cut(std::string_view piece, size_t) const override { return piece.size(); }

  std::array<TokenId, 256> byte_ids_;
};

class CharBpe final : public MergeListBpe {
 public:
  CharBpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, UnknownRule unknown,
          bool ignore_merges)
      : MergeListBpe(vocabulary, merges, unknown, ignore_merges) {
    has_bytes_ = unknown.byte_fallback;
    for (int i = 0; i < 256; ++i) {
      byte_ids_[static_cast<size_t>(i)] = vocabulary.find(fmt::format("<0x{:02X}>", i));
    }
    // Borders are seen in the text, where a byte token's piece does not stand: with merges of byte
    // tokens nothing is cut.
    std::vector<bool> is_result(static_cast<size_t>(vocabulary.size()));
    for (const Merge& merge : merges) {
      is_result[static_cast<size_t>(merge.result)] = true;
      merges_bytes_ |= byte_of_piece(vocabulary.piece(merge.left)) >= 0 ||
                       byte_of_piece(vocabulary.piece(merge.right)) >= 0;
    }
    borders_ =
        PieceBorders(vocabulary, [&](TokenId id) { return is_result[static_cast<size_t>(id)]; });
  }

 private:
  void split(std::string_view piece, std::vector<MergeSymbol>& symbols) const override {
    size_t at = 0;
    while (at < piece.size()) {
      const auto length = static_cast<size_t>(decode_utf8(piece.substr(at)).length);
      const TokenId id = vocabulary_.find(piece.substr(at, length));
      if (id != kNoToken || !spells(piece.substr(at, length))) {
        symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(length), id});
      } else {
        for (size_t i = at; i < at + length; ++i) {
          symbols.push_back(
              {static_cast<uint32_t>(i), 1, byte_ids_[static_cast<uint8_t>(piece[i])]});
        }
      }
      at += length;
    }
  }

  size_t next_cut(std::string_view piece, size_t at) const override {
    return merges_bytes_ ? piece.size() : borders_.next_cut(piece, at);
  }

  bool spells(std::string_view character) const {
    if (!has_bytes_) return false;
    for (const char byte : character) {
      if (byte_ids_[static_cast<uint8_t>(byte)] == kNoToken) return false;
    }
    return true;
  }

  bool has_bytes_ = false;
  bool merges_bytes_ = false;
  PieceBorders borders_;
  std::array<TokenId, 256> byte_ids_;
};

}  // namespace

std::unique_ptr<TokenModel> make_byte_bpe(const Vocabulary& vocabulary, std::vector<Merge> merges,
                                          UnknownRule unknown, bool ignore_merges) {
  return std::make_unique<ByteBpe>(vocabulary, merges, unknown, ignore_merges);
}

std::unique_ptr<TokenModel> make_char_bpe(const Vocabulary& vocabulary, std::vector<Merge> merges,
                                          UnknownRule unknown, bool ignore_merges) {
  return std::make_unique<CharBpe>(vocabulary, merges, unknown, ignore_merges);
}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  const int high = digit(piece[3]);
  const int low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

}  // namespace jiang
