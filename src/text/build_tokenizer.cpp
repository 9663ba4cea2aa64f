// The one implementation of Tokenizer, put together from a TokenizerSpec.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <unordered_map>

#include "base/unicode.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_spec.h"

namespace jiang {
namespace {

// Tokens that end a turn in some family, whatever the file says (as llama.cpp keeps them).
constexpr std::string_view kEndNames[] = {"<|eot_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "<|end_of_text|>",
                                          "<|eom_id|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "[EOS]",
                                          "<end_of_utterance>",
                                          "<|user|>",
                                          "<|observation|>",
                                          "<\xEF\xBD\x9C"
                                          "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"};

bool is_ascii_or_valid(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080ull;
  size_t at = 0;
  while (at + 8 <= text.size()) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if (word & kHighBits) break;
    at += 8;
  }
  return is_valid_utf8(text.substr(at));
}

// The part of the name that people know the kind by.
const char* kind_name(ModelKind kind) {
  switch (kind) {
    case ModelKind::byte_bpe:
      return "byte-level BPE";
    case ModelKind::rank_bpe:
      return "byte-level BPE";
    case ModelKind::char_bpe:
      return "BPE";
    case ModelKind::score_bpe:
      return "SentencePiece BPE";
    case ModelKind::unigram:
      return "Unigram";
    case ModelKind::wordpiece:
      return "WordPiece";
  }
  return "";
}

class SpecTokenizer final : public Tokenizer {
 public:
  explicit SpecTokenizer(TokenizerSpec spec) : spec_(std::move(spec)) {}

  Status prepare(std::string_view where) {
    TRY_STATUS(check(where));
    TRY_STATUS(index(where));
    TRY_STATUS(make_model(where));
    collect_added();
    normalizer_ = Normalizer(std::move(spec_.normalizer));
    pre_tokenizer_ = PreTokenizer(std::move(spec_.pre_tokenizer));
    collect_ends();
    return ok();
  }

  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const override {
    std::string repaired;
    if (!is_ascii_or_valid(text)) {
      repaired = replace_invalid_utf8(text);
      text = repaired;
    }
    std::vector<TokenId> out;
    out.reserve(text.size() / 3 + 8);
    if (options.add_specials)
      out.insert(out.end(), spec_.prefix_ids.begin(), spec_.prefix_ids.end());
    const AddedTokenMatcher& added = options.parse_specials ? all_added_ : plain_added_;
    const bool ranged = options.parse_specials && !options.specials_within.empty();
    RangedTokenScan scan(all_added_, plain_added_, options.specials_within);
    size_t at = 0;
    bool at_start = true;
    while (at < text.size()) {
      const auto match = ranged ? scan.next(text, at) : added.find(text, at);
      const size_t end = std::min(match.begin, text.size());
      if (end > at) {
        encode_section(text.substr(at, end - at), at_start, out);
        at_start = false;
      }
      if (match.begin == std::string_view::npos) break;
      out.push_back(match.id);
      at_start = false;
      at = match.end;
    }
    if (options.add_specials)
      out.insert(out.end(), spec_.suffix_ids.begin(), spec_.suffix_ids.end());
    return out;
  }

  std::string token_bytes(TokenId id) const override {
    if (!vocabulary_.contains(id)) return "";
    const std::string& piece = vocabulary_.piece(id);
    if (is_literal_[static_cast<size_t>(id)] && spec_.decoding != Decoding::word_mark) return piece;
    switch (spec_.decoding) {
      case Decoding::raw:
        return piece;
      case Decoding::word_mark: {
        if (kind(id) == TokenKind::byte || spec_.unknown.byte_fallback) {
          const int byte = byte_of_piece(piece);
          if (byte >= 0) return std::string(1, static_cast<char>(byte));
        }
        return marks_to_spaces(piece);
      }
      case Decoding::wordpiece:
        return wordpiece_text(piece, /*at_start=*/false);
    }
    return "";
  }

  std::string text_bytes(TokenId id, bool at_start, bool with_specials) const override {
    if (!vocabulary_.contains(id) || (is_special(id) && !with_specials)) return "";
    if (spec_.decoding == Decoding::wordpiece && !is_literal_[static_cast<size_t>(id)]) {
      return wordpiece_text(vocabulary_.piece(id), at_start);
    }
    std::string bytes = token_bytes(id);
    if (spec_.decoding == Decoding::wordpiece && !at_start) bytes.insert(0, 1, ' ');
    if (at_start && spec_.drop_first_space && !bytes.empty() && bytes[0] == ' ' &&
        !is_literal_[static_cast<size_t>(id)]) {
      bytes.erase(0, 1);
    }
    return bytes;
  }

  std::string decode(std::span<const TokenId> ids, bool with_specials) const override {
    std::string bytes;
    bool at_start = true;
    for (const TokenId id : ids) {
      if (!vocabulary_.contains(id) || (is_special(id) && !with_specials)) continue;
      bytes += text_bytes(id, at_start, with_specials);
      if (!vocabulary_.piece(id).empty()) at_start = false;
    }
    return replace_invalid_utf8(bytes);
  }

  int32_t vocab_size() const override { return vocabulary_.size(); }
  bool is_special(TokenId id) const override {
    if (!vocabulary_.contains(id)) return false;
    return kind(id) == TokenKind::control || kind(id) == TokenKind::unknown;
  }
  std::optional<TokenId> find(std::string_view token) const override {
    const auto added = added_ids_.find(std::string(token));
    if (added != added_ids_.end()) return added->second;
    TokenId id = vocabulary_.find(token);
    if (id == kNoToken && spec_.decoding == Decoding::raw) {
      if (const auto bytes = from_byte_alphabet(token)) id = vocabulary_.find(*bytes);
    }
    return optional_id(id);
  }
  std::optional<TokenId> bos() const override { return optional_id(spec_.bos); }
  std::optional<TokenId> eos() const override { return optional_id(spec_.eos); }
  bool adds_bos() const override {
    return !spec_.prefix_ids.empty() && spec_.prefix_ids.front() == spec_.bos;
  }
  std::span<const TokenId> end_ids() const override { return spec_.end_ids; }
  std::string describe() const override {
    const size_t n_special =
        static_cast<size_t>(std::count_if(spec_.kinds.begin(), spec_.kinds.end(), [](TokenKind k) {
          return k == TokenKind::control || k == TokenKind::unknown;
        }));
    return fmt::format("{}{}, {} tokens + {} special", kind_name(spec_.kind),
                       spec_.name.empty() ? "" : fmt::format(" ({})", spec_.name),
                       spec_.kinds.size() - n_special, n_special);
  }

 private:
  static constexpr TokenId kLookAhead = 8;  // lookups under way while one is made

  TokenKind kind(TokenId id) const { return spec_.kinds[static_cast<size_t>(id)]; }
  static std::optional<TokenId> optional_id(TokenId id) {
    return id == kNoToken ? std::nullopt : std::optional<TokenId>(id);
  }

  void encode_section(std::string_view text, bool at_start, std::vector<TokenId>& out) const {
    std::string normalized;
    if (!normalizer_.empty()) {
      normalized = normalizer_.apply(text, at_start);
      text = normalized;
    }
    pre_tokenizer_.split(text, at_start,
                         [&](std::string_view piece) { model_->encode(piece, out); });
  }

  static std::string marks_to_spaces(std::string_view piece) {
    std::string out;
    for (size_t at = 0; at < piece.size();) {
      if (piece.compare(at, kWordMark.size(), kWordMark) == 0) {
        out += ' ';
        at += kWordMark.size();
      } else {
        out += piece[at++];
      }
    }
    return out;
  }

  std::string wordpiece_text(std::string_view piece, bool at_start) const {
    const std::string& continuation = spec_.wordpiece.continuation;
    std::string text;
    if (!at_start && !continuation.empty() &&
        piece.substr(0, continuation.size()) == continuation) {
      text = piece.substr(continuation.size());
    } else {
      if (!at_start) text = ' ';
      text += piece;
    }
    if (spec_.clean_up && !at_start) {
      for (const std::string_view glued :
           {" .", " ?", " !", " ,", " n't", " 'm", " 's", " 've", " 're"}) {
        if (text == glued) return text.substr(1);
      }
    }
    return text;
  }

  Status check(std::string_view where) const {
    const size_t n = spec_.pieces.size();
    if (n == 0) return fail(ErrorKind::bad_file, "{}: the vocabulary is empty", where);
    if (n > kMaxVocabulary) {
      return fail(ErrorKind::too_large, "{}: a vocabulary of {} tokens, at most {} are allowed",
                  where, n, kMaxVocabulary);
    }
    JIANG_CHECK(spec_.kinds.size() == n, "one kind per piece");
    const bool is_scored = spec_.kind == ModelKind::score_bpe || spec_.kind == ModelKind::unigram;
    if (is_scored && spec_.scores.size() != n) {
      return fail(ErrorKind::bad_file, "{}: {} tokens but {} scores", where, n,
                  spec_.scores.size());
    }
    for (const double score : spec_.scores) {
      if (!std::isfinite(score))
        return fail(ErrorKind::bad_file, "{}: a score is not a number", where);
    }
    for (size_t i = 0; i < n; ++i) {
      if (spec_.pieces[i].size() > kMaxPieceBytes) {
        return fail(ErrorKind::bad_file, "{}: token {} is {} bytes long, at most {} are allowed",
                    where, i, spec_.pieces[i].size(), kMaxPieceBytes);
      }
    }
    const auto check_id = [&](const char* what, TokenId id) -> Status {
      if (id != kNoToken && (id < 0 || static_cast<size_t>(id) >= n)) {
        return fail(ErrorKind::bad_file, "{}: {} token id {} is outside of the vocabulary of {}",
                    where, what, id, n);
      }
      return ok();
    };
    TRY_STATUS(check_id("bos", spec_.bos));
    TRY_STATUS(check_id("eos", spec_.eos));
    TRY_STATUS(check_id("pad", spec_.pad));
    TRY_STATUS(check_id("unknown", spec_.unknown.unknown));
    TRY_STATUS(check_id("unknown", spec_.wordpiece.unknown));
    for (const TokenId id : spec_.prefix_ids) TRY_STATUS(check_id("leading", id));
    for (const TokenId id : spec_.suffix_ids) TRY_STATUS(check_id("trailing", id));
    for (const AddedToken& token : spec_.added) TRY_STATUS(check_id("added", token.id));
    return ok();
  }

  // Found by its bytes; of added tokens those are too that no piece equals.
  bool is_indexed(TokenId id) const {
    return !is_literal_[static_cast<size_t>(id)] && !is_special(id) &&
           !vocabulary_.piece(id).empty();
  }

  Status index(std::string_view where) {
    vocabulary_ = Vocabulary(std::move(spec_.pieces));
    is_literal_.resize(static_cast<size_t>(vocabulary_.size()));
    for (const AddedToken& token : spec_.added) is_literal_[static_cast<size_t>(token.id)] = true;
    for (TokenId id = 0; id < vocabulary_.size(); ++id) {
      if (vocabulary_.contains(id + kLookAhead))
        vocabulary_.prefetch(vocabulary_.piece(id + kLookAhead));
      if (!is_indexed(id)) continue;
      const TokenId twin = vocabulary_.index(id);
      if (twin != kNoToken) {
        return fail(ErrorKind::bad_file, "{}: tokens {} and {} have the same text \"{}\"", where,
                    twin, id, vocabulary_.piece(id).substr(0, 60));
      }
    }
    // Added tokens are found too, where no piece of the model has their bytes: some merges make
    // them, and Unigram and SentencePiece models contain their user-defined ones.
    for (const AddedToken& token : spec_.added) {
      if (!is_special(token.id) && !vocabulary_.piece(token.id).empty())
        vocabulary_.index(token.id);
      added_ids_.emplace(token.text, token.id);
    }
    for (TokenId id = 0; id < vocabulary_.size(); ++id) {
      if (is_special(id)) added_ids_.emplace(vocabulary_.piece(id), id);
    }
    return ok();
  }

  TokenId find_any(std::string_view bytes) const {
    const TokenId id = vocabulary_.find(bytes);
    if (id != kNoToken) return id;
    const auto special = added_ids_.find(std::string(bytes));
    return special == added_ids_.end() ? kNoToken : special->second;
  }

  // find_any(), by one comparison where it is `guess`.
  TokenId find_result(std::string_view bytes, TokenId guess) const {
    const bool is_found =
        vocabulary_.contains(guess) && is_indexed(guess) && vocabulary_.piece(guess) == bytes;
    return is_found ? guess : find_any(bytes);
  }

  Status make_model(std::string_view where) {
    switch (spec_.kind) {
      case ModelKind::byte_bpe:
      case ModelKind::char_bpe: {
        TRY(std::vector<Merge> merges, resolve_merges(where));
        spec_.merges = {};
        model_ =
            spec_.kind == ModelKind::byte_bpe
                ? make_byte_bpe(vocabulary_, std::move(merges), spec_.unknown, spec_.ignore_merges)
                : make_char_bpe(vocabulary_, std::move(merges), spec_.unknown, spec_.ignore_merges);
        return ok();
      }
      case ModelKind::rank_bpe:
        model_ = make_rank_bpe(vocabulary_, spec_.n_ranks);
        return ok();
      case ModelKind::score_bpe:
        model_ = make_score_bpe(vocabulary_, spec_.scores, kinds_in_text(), spec_.unknown);
        return ok();
      case ModelKind::unigram:
        model_ = make_unigram(vocabulary_, spec_.scores, kinds_in_text(), spec_.unknown,
                              spec_.precision);
        return ok();
      case ModelKind::wordpiece:
        model_ = make_wordpiece(vocabulary_, spec_.wordpiece);
        return ok();
    }
    return ok();
  }

  // The models that look for user-defined tokens themselves must not find markers in text.
  std::vector<TokenKind> kinds_in_text() const {
    std::vector<TokenKind> kinds = spec_.kinds;
    for (const AddedToken& token : spec_.added) {
      if (token.special || is_marker(token.text))
        kinds[static_cast<size_t>(token.id)] = TokenKind::control;
    }
    return kinds;
  }

  Result<std::vector<Merge>> resolve_merges(std::string_view where) const {
    std::vector<Merge> merges;
    merges.reserve(spec_.merges.size());
    TokenId guess = kNoToken;  // vocabularies list what merges make in the merges' order
    for (size_t i = 0; i < spec_.merges.size(); ++i) {
      if (i + kLookAhead < spec_.merges.size()) {
        const auto& later = spec_.merges[i + kLookAhead];
        vocabulary_.prefetch(std::string_view(later.joined).substr(0, later.left_bytes));
        vocabulary_.prefetch(std::string_view(later.joined).substr(later.left_bytes));
      }
      const std::string_view joined = spec_.merges[i].joined;
      const std::string_view left = joined.substr(0, spec_.merges[i].left_bytes);
      const std::string_view right = joined.substr(left.size());
      const Merge merge{find_any(left), find_any(right), find_result(joined, guess)};
      guess = merge.result + 1;
      if (merge.left == kNoToken || merge.right == kNoToken || merge.result == kNoToken) {
        return fail(
            ErrorKind::bad_file,
            "{}: merge {} (\"{}\" and \"{}\") is of or to a token that the vocabulary lacks", where,
            i, left.substr(0, 60), right.substr(0, 60));
      }
      // Text never becomes a control token (decision 20).
      if (!is_special(merge.result)) merges.push_back(merge);
    }
    return merges;
  }

  void collect_added() {
    std::vector<AddedToken> plain;
    for (const AddedToken& token : spec_.added) {
      if (!token.special && !is_special(token.id) && !is_marker(token.text)) plain.push_back(token);
    }
    plain_added_ = AddedTokenMatcher(plain);
    all_added_ = AddedTokenMatcher(spec_.added);
  }

  void collect_ends() {
    std::set<TokenId> ends(spec_.end_ids.begin(), spec_.end_ids.end());
    if (spec_.eos != kNoToken) ends.insert(spec_.eos);
    for (const std::string_view name : kEndNames) {
      const auto found = added_ids_.find(std::string(name));
      if (found != added_ids_.end()) ends.insert(found->second);
    }
    // gpt-oss ends its turns with <|return|> and <|call|>; there <|end|> only ends a message.
    const auto end = added_ids_.find("<|end|>");
    if (end != added_ids_.end() && added_ids_.count("<|return|>") && added_ids_.count("<|call|>")) {
      ends.erase(end->second);
    }
    ends.erase(kNoToken);
    spec_.end_ids.assign(ends.begin(), ends.end());
  }

  TokenizerSpec spec_;  // pieces, merges and steps have moved out of it
  Vocabulary vocabulary_;
  std::unique_ptr<TokenModel> model_;  // borrows vocabulary_
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  AddedTokenMatcher all_added_;
  AddedTokenMatcher plain_added_;                       // those that user text may contain
  std::vector<bool> is_literal_;                        // by id: decoded as it is
  std::unordered_map<std::string, TokenId> added_ids_;  // added and control tokens by text
};

}  // namespace

TokenizerSpec::MergeText byte_merge(std::string_view left, std::string_view right) {
  TokenizerSpec::MergeText merge;
  append_piece_bytes(merge.joined, left);
  merge.left_bytes = merge.joined.size();
  append_piece_bytes(merge.joined, right);
  return merge;
}

Result<std::shared_ptr<const Tokenizer>> build_tokenizer(TokenizerSpec spec,
                                                         std::string_view where) {
  auto tokenizer = std::make_shared<SpecTokenizer>(std::move(spec));
  TRY_STATUS(tokenizer->prepare(where));
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

}  // namespace jiang
