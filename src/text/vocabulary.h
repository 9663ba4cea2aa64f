// Vocabulary: the pieces of a tokenizer by id, and the way back from bytes to id.
//
// Immutable once indexed; lookups are a hash and usually one comparison.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"

namespace jiang {

inline constexpr TokenId kNoToken = -1;
// Largest vocabulary that a file may declare (real ones reach one million).
inline constexpr size_t kMaxVocabulary = size_t{1} << 22;
// Longest piece. Matching walks at most this far, so it bounds the work per character.
inline constexpr size_t kMaxPieceBytes = 4096;

// Numbered as GGUF and sentencepiece do.
enum class TokenKind : uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6,
};

class Vocabulary {
 public:
  Vocabulary() = default;
  explicit Vocabulary(std::vector<std::string> pieces);
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  int32_t size() const { return static_cast<int32_t>(pieces_.size()); }
  const std::string& piece(TokenId id) const { return pieces_[static_cast<size_t>(id)]; }
  bool contains(TokenId id) const { return id >= 0 && id < size(); }

  // Makes piece(id) findable. Returns the id that already has the same bytes, or kNoToken.
  TokenId index(TokenId id);
  TokenId find(std::string_view bytes) const;
  // Brings what find(bytes) or index() of a piece with these bytes looks at first nearer.
  void prefetch(std::string_view bytes) const;
  size_t longest() const { return longest_; }  // bytes of the longest indexed piece

 private:
  struct Slot {
    uint32_t hash = 0;
    TokenId id = kNoToken;
  };

  std::vector<std::string> pieces_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most 2/3 full
  size_t longest_ = 0;
};

uint64_t hash_bytes(std::string_view bytes);

}  // namespace jiang
