// TokenModel: one pre-token -> ids. Each kind of tokenizer (BPE, SentencePiece, Unigram, WordPiece)
// is one of these behind a factory; they borrow the vocabulary, which must outlive them.
//
// Immutable; any thread may encode.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/token.h"
#include "text/vocabulary.h"

namespace jiang {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of `piece`: valid UTF-8, already normalised.
  virtual void encode(std::string_view piece, std::vector<TokenId>& out) const = 0;
};

// What to do with a character that no token covers.
struct UnknownRule {
  TokenId unknown = kNoToken;  // kNoToken: the character is left out
  bool fuse = false;           // neighbouring unknowns become one token
  bool byte_fallback = false;  // spell it as <0x00>..<0xFF> tokens
};

struct Merge {
  TokenId left;
  TokenId right;
  TokenId result;
};

// Byte-level BPE with a list of merges, the first one strongest. Vocabulary pieces are raw bytes.
// `ignore_merges`: a pre-token that is a vocabulary entry is that entry, whatever the merges say.
std::unique_ptr<TokenModel> make_byte_bpe(const Vocabulary& vocabulary, std::vector<Merge> merges,
                                          UnknownRule unknown, bool ignore_merges);
// The same over characters (Llama 2, Gemma as tokenizer.json).
std::unique_ptr<TokenModel> make_char_bpe(const Vocabulary& vocabulary, std::vector<Merge> merges,
                                          UnknownRule unknown, bool ignore_merges);
// tiktoken: any two neighbours may merge when the result is a piece; the lowest id goes first.
// `n_ranks`: ids below it are mergeable pieces, those above are special tokens.
std::unique_ptr<TokenModel> make_rank_bpe(const Vocabulary& vocabulary, TokenId n_ranks);
// sentencepiece's BPE: as above over characters, the highest score goes first. Tokens of kind
// user_defined are never split, those of kind unused never stay.
std::unique_ptr<TokenModel> make_score_bpe(const Vocabulary& vocabulary,
                                           const std::vector<double>& scores,
                                           const std::vector<TokenKind>& kinds,
                                           UnknownRule unknown);
// sentencepiece's Unigram: the segmentation with the highest sum of scores. sentencepiece adds them
// up in f32, the tokenizers library and llama.cpp in f64.
enum class Precision { f32, f64 };
std::unique_ptr<TokenModel> make_unigram(const Vocabulary& vocabulary,
                                         const std::vector<double>& scores,
                                         const std::vector<TokenKind>& kinds, UnknownRule unknown,
                                         Precision precision);

struct WordPieceRules {
  TokenId unknown = kNoToken;
  std::string continuation = "##";  // prefix of pieces inside a word
  size_t max_characters = 100;      // a longer word is unknown
};
std::unique_ptr<TokenModel> make_wordpiece(const Vocabulary& vocabulary, WordPieceRules rules);

// "<0x0A>" -> 10; -1 for any other text.
int byte_of_piece(std::string_view piece);

}  // namespace jiang
