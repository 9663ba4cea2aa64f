// TokenizerSpec: everything a file says about its tokenizer, in one form for all files. The readers
// (GGUF metadata, tokenizer.json, tokenizer.model ...) fill it; build_tokenizer() checks it and
// makes the Tokenizer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_model.h"
#include "text/tokenizer.h"

namespace jiang {

enum class ModelKind { byte_bpe, char_bpe, rank_bpe, score_bpe, unigram, wordpiece };

// How the piece of a token becomes text.
enum class Decoding {
  raw,        // the piece's bytes
  word_mark,  // U+2581 is a space, <0x0A> is a byte
  wordpiece,  // a space before every word, none before a continuation
};

struct TokenizerSpec {
  ModelKind kind = ModelKind::byte_bpe;
  // By id. Byte-level models: raw bytes, except for added tokens, which are literal everywhere.
  std::vector<std::string> pieces;
  std::vector<double> scores;            // by id; score_bpe and unigram only
  std::vector<TokenKind> kinds;          // by id
  Precision precision = Precision::f64;  // of sums of scores; unigram only
  struct MergeText {
    std::string joined;  // both parts
    size_t left_bytes = 0;
  };
  std::vector<MergeText> merges;  // strongest first
  bool ignore_merges = false;
  TokenId n_ranks = 0;  // rank_bpe: ids below are ranks
  UnknownRule unknown;
  WordPieceRules wordpiece;

  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  // The split patterns of pre_tokenizer in order: what names it among the known ones.
  std::vector<std::string> patterns;

  Decoding decoding = Decoding::raw;
  bool drop_first_space = false;  // the text's first token loses one leading space
  bool clean_up = false;          // wordpiece: no space before punctuation

  std::vector<TokenId> prefix_ids;  // what add_specials puts before and after
  std::vector<TokenId> suffix_ids;
  TokenId bos = kNoToken;
  TokenId eos = kNoToken;
  TokenId pad = kNoToken;
  std::vector<TokenId> end_ids;  // beside eos and the well-known names
  std::string name;              // "qwen2": for people

  size_t size() const { return pieces.size(); }
};

// A merge of two pieces in the byte alphabet, as raw bytes.
TokenizerSpec::MergeText byte_merge(std::string_view left, std::string_view right);

// `where` names the file in errors. Consumes the spec.
Result<std::shared_ptr<const Tokenizer>> build_tokenizer(TokenizerSpec spec,
                                                         std::string_view where);

}  // namespace jiang
