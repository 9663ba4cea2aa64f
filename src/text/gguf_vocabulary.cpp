// tokenizer.ggml.*: the vocabulary of a GGUF file.
#include <algorithm>

#include "text/byte_alphabet.h"
#include "text/pre_names.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

class GgufReader {
 public:
  GgufReader(const Metadata& metadata, std::string_view where)
      : metadata_(metadata), where_(where) {}

  Result<TokenizerSpec> read() {
    TRY(const std::string model, metadata_.get_string("tokenizer.ggml.model"));
    TRY_STATUS(read_pieces());
    if (model == "llama") {
      TRY_STATUS(read_llama());
    } else if (model == "gpt2" || model == "gemma4") {
      TRY_STATUS(read_gpt2(model));
    } else if (model == "bert") {
      TRY_STATUS(read_bert());
    } else if (model == "t5") {
      TRY_STATUS(read_t5());
    } else {
      return fail(ErrorKind::unsupported,
                  "{}: tokenizer model \"{}\" is not supported (known: llama, gpt2, bert, t5)",
                  where_, model.substr(0, 80));
    }
    collect_added();
    return std::move(spec_);
  }

 private:
  Status read_pieces() {
    TRY(const auto* tokens, metadata_.get_strings("tokenizer.ggml.tokens"));
    spec_.pieces = *tokens;
    const size_t n = spec_.pieces.size();
    spec_.kinds.assign(n, TokenKind::normal);
    if (metadata_.has("tokenizer.ggml.token_type")) {
      TRY(const auto types, metadata_.get_ints("tokenizer.ggml.token_type"));
      if (types.size() != n) {
        return fail(ErrorKind::bad_file, "{}: {} tokens but {} token types", where_, n,
                    types.size());
      }
      for (size_t i = 0; i < n; ++i) {
        // 0 ("undefined") and unknown numbers are what llama.cpp takes for plain text, too.
        if (types[i] >= 1 && types[i] <= 6) spec_.kinds[i] = static_cast<TokenKind>(types[i]);
      }
    }
    if (metadata_.has("tokenizer.ggml.scores")) {
      TRY(const auto* scores, metadata_.get_numbers("tokenizer.ggml.scores"));
      if (scores->size() != n) {
        return fail(ErrorKind::bad_file, "{}: {} tokens but {} scores", where_, n, scores->size());
      }
      spec_.scores.assign(scores->begin(), scores->end());
    }
    return ok();
  }

  // The id under `key`, or `otherwise` if the key is missing and that id exists.
  Result<TokenId> read_id(const char* key, TokenId otherwise) {
    const auto n = static_cast<int64_t>(spec_.size());
    if (!metadata_.has(key)) return otherwise < n ? otherwise : kNoToken;
    TRY(const int64_t id, metadata_.get_int(key));
    // Some writers say "none" with -1 or 2^32 - 1.
    if (id == -1 || id == 0xFFFFFFFF) return kNoToken;
    if (id < 0 || id >= n) {
      return fail(ErrorKind::bad_file, "{}: {} is {}, but the vocabulary has {} tokens", where_,
                  key, id, n);
    }
    return static_cast<TokenId>(id);
  }

  struct Defaults {
    TokenId bos = kNoToken, eos = kNoToken, unknown = kNoToken, separator = kNoToken,
            pad = kNoToken;
    bool add_bos = false, add_eos = false, add_separator = false;
  };

  Status read_specials(const Defaults& defaults) {
    TRY(spec_.bos, read_id("tokenizer.ggml.bos_token_id", defaults.bos));
    TRY(spec_.eos, read_id("tokenizer.ggml.eos_token_id", defaults.eos));
    TRY(spec_.unknown.unknown, read_id("tokenizer.ggml.unknown_token_id", defaults.unknown));
    TRY(spec_.pad, read_id("tokenizer.ggml.padding_token_id", defaults.pad));
    const char* separator_key = metadata_.has("tokenizer.ggml.separator_token_id")
                                    ? "tokenizer.ggml.separator_token_id"
                                    : "tokenizer.ggml.seperator_token_id";  // sic, in old files
    TRY(const TokenId separator, read_id(separator_key, defaults.separator));
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      TRY(const TokenId id, read_id(key, kNoToken));
      if (id != kNoToken) spec_.end_ids.push_back(id);
    }
    TRY(const bool add_bos,
        metadata_.get_bool_or("tokenizer.ggml.add_bos_token", defaults.add_bos));
    TRY(const bool add_eos,
        metadata_.get_bool_or("tokenizer.ggml.add_eos_token", defaults.add_eos));
    TRY(const bool add_separator,
        metadata_.get_bool_or("tokenizer.ggml.add_sep_token", defaults.add_separator));
    if (add_bos && spec_.bos != kNoToken) spec_.prefix_ids.push_back(spec_.bos);
    if (add_eos && spec_.eos != kNoToken) spec_.suffix_ids.push_back(spec_.eos);
    if (add_separator && separator != kNoToken) spec_.suffix_ids.push_back(separator);
    return ok();
  }

  Status read_llama() {
    spec_.kind = ModelKind::score_bpe;
    TRY_STATUS(read_specials({.bos = 1, .eos = 2, .unknown = 0, .add_bos = true}));
    TRY(const bool add_space, metadata_.get_bool_or("tokenizer.ggml.add_space_prefix", true));
    if (spec_.scores.empty()) {
      return fail(ErrorKind::bad_file, "{}: tokenizer.ggml.scores is missing", where_);
    }
    if (add_space) add_step({.kind = NormalizerStep::Kind::prepend, .text = " "});
    add_word_marks();
    spec_.drop_first_space = add_space;
    spec_.unknown.fuse = true;  // as sentencepiece does where there are no byte tokens
    mark_bytes();
    return ok();
  }

  Status read_gpt2(const std::string& model) {
    TRY(std::string pre, metadata_.get_string_or("tokenizer.ggml.pre", "default"));
    if (model == "gemma4") pre = "gemma4";
    TRY(const PreName known, find_pre_name(pre, where_));
    spec_.name = pre;
    spec_.kind = known.word_marks ? ModelKind::char_bpe : ModelKind::byte_bpe;
    spec_.ignore_merges = known.ignore_merges;
    TRY(spec_.pre_tokenizer, make_pattern_steps(known.patterns, where_));
    TRY_STATUS(read_specials({.bos = 11, .eos = 11, .add_bos = known.add_bos}));
    // Without a key these are GPT-2's numbers, which mean nothing in another vocabulary.
    if (!metadata_.has("tokenizer.ggml.bos_token_id")) forget(spec_.bos, spec_.prefix_ids);
    if (!metadata_.has("tokenizer.ggml.eos_token_id")) forget(spec_.eos, spec_.suffix_ids);

    TRY(const auto* merges, metadata_.get_strings("tokenizer.ggml.merges"));
    if (known.word_marks) {
      add_word_marks();
      mark_bytes();
    } else {
      for (size_t i = 0; i < spec_.size(); ++i) {
        if (!is_literal(spec_.kinds[i])) spec_.pieces[i] = piece_bytes(spec_.pieces[i]);
      }
    }
    spec_.merges.reserve(merges->size());
    for (const std::string& merge : *merges) {
      // The left part may itself be a space where pieces are not in the byte alphabet.
      const size_t space = merge.find(' ', 1);
      if (space == std::string::npos || space + 1 == merge.size()) {
        return fail(ErrorKind::bad_file, "{}: merge \"{}\" is not two pieces", where_,
                    merge.substr(0, 80));
      }
      const auto left = std::string_view(merge).substr(0, space);
      const auto right = std::string_view(merge).substr(space + 1);
      if (known.word_marks) {
        spec_.merges.push_back({std::string(left).append(right), left.size()});
      } else {
        spec_.merges.push_back(byte_merge(left, right));
      }
    }
    return ok();
  }

  Status read_bert() {
    spec_.kind = ModelKind::wordpiece;
    TRY_STATUS(read_specials({.bos = 101,
                              .unknown = 100,
                              .separator = 102,
                              .pad = 0,
                              .add_bos = true,
                              .add_separator = true}));
    spec_.wordpiece.unknown = spec_.unknown.unknown;
    // No limit in llama.cpp; its words are cut where BERT's are.
    TRY(const bool lowercase, metadata_.get_bool_or("tokenizer.ggml.normalizer.lowercase", true));
    TRY(const bool strip_accents,
        metadata_.get_bool_or("tokenizer.ggml.normalizer.strip_accents", lowercase));
    spec_.normalizer = bert_normalizer(true, true, strip_accents, lowercase);
    spec_.pre_tokenizer = bert_pre_tokenizer();
    spec_.decoding = Decoding::wordpiece;
    spec_.clean_up = true;
    // GGUF writes the start of a word (U+2581) where BERT writes the inside of one ("##").
    for (size_t i = 0; i < spec_.size(); ++i) {
      if (spec_.kinds[i] != TokenKind::normal) continue;
      std::string& piece = spec_.pieces[i];
      if (piece.compare(0, kWordMark.size(), kWordMark) == 0) {
        piece.erase(0, kWordMark.size());
      } else {
        piece.insert(0, spec_.wordpiece.continuation);
      }
    }
    return ok();
  }

  Status read_t5() {
    spec_.kind = ModelKind::unigram;
    TRY_STATUS(read_specials({.eos = 1, .unknown = 2, .pad = 0, .add_eos = true}));
    if (spec_.scores.empty()) {
      return fail(ErrorKind::bad_file, "{}: tokenizer.ggml.scores is missing", where_);
    }
    if (metadata_.has("tokenizer.ggml.precompiled_charsmap")) {
      TRY(const auto bytes, metadata_.get_ints("tokenizer.ggml.precompiled_charsmap"));
      std::string map(bytes.size(), '\0');
      for (size_t i = 0; i < bytes.size(); ++i) map[i] = static_cast<char>(bytes[i] & 0xFF);
      TRY(Charsmap charsmap, Charsmap::parse(map, where_));
      if (!charsmap.empty()) {
        add_step({.kind = NormalizerStep::Kind::charsmap,
                  .charsmap = std::make_shared<const Charsmap>(std::move(charsmap))});
      }
    }
    TRY(const bool add_space, metadata_.get_bool_or("tokenizer.ggml.add_space_prefix", false));
    TRY(const bool collapse,
        metadata_.get_bool_or("tokenizer.ggml.remove_extra_whitespaces", false));
    if (collapse) add_step({.kind = NormalizerStep::Kind::collapse_spaces});
    if (add_space || collapse) add_step({.kind = NormalizerStep::Kind::prepend, .text = " "});
    add_word_marks();
    spec_.drop_first_space = add_space || collapse;
    spec_.unknown.fuse = true;
    mark_bytes();
    return ok();
  }

  void add_step(NormalizerStep step) { spec_.normalizer.push_back(std::move(step)); }

  void add_word_marks() {
    add_step({.kind = NormalizerStep::Kind::replace,
              .text = std::string(kWordMark),
              .matcher = make_literal_matcher(" "),
              .literal = " "});
    spec_.decoding = Decoding::word_mark;
  }

  // Byte fallback is on when the vocabulary has the tokens for it.
  void mark_bytes() {
    size_t n_bytes = 0;
    for (const std::string& piece : spec_.pieces) n_bytes += byte_of_piece(piece) >= 0 ? 1 : 0;
    spec_.unknown.byte_fallback = n_bytes >= 256;
  }

  static void forget(TokenId& id, std::vector<TokenId>& ids) {
    std::erase(ids, id);
    id = kNoToken;
  }

  static bool is_literal(TokenKind kind) {
    return kind == TokenKind::control || kind == TokenKind::user_defined ||
           kind == TokenKind::unknown;
  }

  void collect_added() {
    for (size_t i = 0; i < spec_.size(); ++i) {
      if (!is_literal(spec_.kinds[i])) continue;
      AddedToken token;
      token.id = static_cast<TokenId>(i);
      token.text = spec_.pieces[i];
      token.special = spec_.kinds[i] != TokenKind::user_defined;
      spec_.added.push_back(std::move(token));
    }
    strip_after_phi3();
  }

  // GGUF has no place for rstrip. Phi-3's added tokens take the white space after them.
  void strip_after_phi3() {
    const auto name = metadata_.get_string_or("general.name", "");
    std::string lower = name ? *name : "";
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    if (lower.find("phi-3") == std::string::npos && lower.find("phi3") == std::string::npos) return;
    for (AddedToken& token : spec_.added) {
      token.rstrip = token.text != "<unk>" && token.text != "<s>" && token.text != "<|endoftext|>";
    }
  }

  const Metadata& metadata_;
  std::string_view where_;
  TokenizerSpec spec_;
};

}  // namespace

Result<TokenizerSpec> read_gguf_vocabulary(const Metadata& metadata, std::string_view where) {
  return GgufReader(metadata, where).read();
}

}  // namespace jiang
