#include "text/gguf_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "base/file.h"
#include "text/byte_alphabet.h"
#include "text/merge.h"
#include "text/pre_names.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

// The piece of a merge's result gets this score when no merge makes it.
constexpr double kNeverMerged = -1e6;

// How a normaliser of the sentencepiece kind puts its word marks.
struct MarkRules {
  bool add_prefix = false;
  bool collapse_spaces = false;
  const Charsmap* charsmap = nullptr;
};

class GgufExport {
 public:
  GgufExport(TokenizerSpec spec, std::string where)
      : spec_(std::move(spec)), where_(std::move(where)) {}

  Result<Metadata> run(const std::string& chat_template) {
    switch (spec_.kind) {
      case ModelKind::byte_bpe:
      case ModelKind::rank_bpe:
        TRY_STATUS(write_gpt2());
        break;
      case ModelKind::char_bpe:
      case ModelKind::score_bpe:
        TRY_STATUS(write_llama());
        break;
      case ModelKind::unigram:
        TRY_STATUS(write_t5());
        break;
      case ModelKind::wordpiece:
        TRY_STATUS(write_bert());
        break;
    }
    write_kinds();
    write_specials();
    if (!chat_template.empty()) set("tokenizer.chat_template", chat_template);
    return std::move(out_);
  }

 private:
  template <class T>
  void set(const char* key, T value) {
    out_.values[key] = MetaValue(std::move(value));
  }

  Error refuse(std::string_view what) const {
    return fail(ErrorKind::unsupported, "{}: GGUF cannot express this tokenizer: {}", where_, what);
  }

  bool is_literal(size_t id) const {
    return spec_.kinds[id] != TokenKind::normal && spec_.kinds[id] != TokenKind::unused;
  }

  Status write_gpt2() {
    for (const NormalizerStep& step : spec_.normalizer) {
      const bool is_nfc =
          step.kind == NormalizerStep::Kind::unicode && step.form == Normalization::nfc;
      if (!is_nfc) return refuse("it normalises text before byte-level BPE");
    }
    // tiktoken takes a whole word that is a token as it is; where llama.cpp has the pattern only
    // without that, its merges lead to the same token.
    const bool is_ranked = spec_.kind == ModelKind::rank_bpe;
    auto pre = name_of_patterns(spec_.patterns, is_ranked || spec_.ignore_merges);
    if (!pre && is_ranked) pre = name_of_patterns(spec_.patterns, false);
    if (!pre) {
      std::string patterns;
      for (const std::string& pattern : spec_.patterns)
        patterns += fmt::format(" \"{}\"", pattern.substr(0, 120));
      return refuse(fmt::format("llama.cpp has no name for its pre-tokenizer{}", patterns));
    }
    set("tokenizer.ggml.model", std::string("gpt2"));
    set("tokenizer.ggml.pre", std::string(*pre));
    std::vector<std::string> tokens;
    tokens.reserve(spec_.size());
    for (size_t id = 0; id < spec_.size(); ++id) {
      tokens.push_back(is_literal(id) ? spec_.pieces[id] : to_byte_alphabet(spec_.pieces[id]));
    }
    set("tokenizer.ggml.tokens", std::move(tokens));
    std::vector<std::string> merges;
    if (is_ranked) {
      merges = merges_of_ranks();
    } else {
      merges.reserve(spec_.merges.size());
      for (const auto& merge : spec_.merges) {
        merges.push_back(to_byte_alphabet(merge.joined.substr(0, merge.left_bytes)) + " " +
                         to_byte_alphabet(merge.joined.substr(merge.left_bytes)));
      }
    }
    set("tokenizer.ggml.merges", std::move(merges));
    return ok();
  }

  // The merge that makes each rank: its bytes, merged by the ranks below it, end as two parts.
  std::vector<std::string> merges_of_ranks() const {
    std::unordered_map<std::string_view, TokenId> ids;
    for (TokenId id = 0; id < spec_.n_ranks; ++id)
      ids.emplace(spec_.pieces[static_cast<size_t>(id)], id);
    std::vector<std::string> merges;
    for (TokenId id = 0; id < spec_.n_ranks; ++id) {
      const std::string_view piece = spec_.pieces[static_cast<size_t>(id)];
      if (piece.size() < 2) continue;
      std::vector<MergeSymbol> symbols;
      for (size_t i = 0; i < piece.size(); ++i)
        symbols.push_back({static_cast<uint32_t>(i), 1, kNoToken});
      merge_symbols(
          symbols, [&](const MergeSymbol& left, const MergeSymbol& right) -> MergeCandidate {
            const auto found = ids.find(piece.substr(left.begin, left.length + right.length));
            if (found == ids.end() || found->second >= id) return {};
            return {found->second, found->second};
          });
      // A token that its parts never lead to (there are some) has no merge.
      if (symbols.size() != 2) continue;
      merges.push_back(to_byte_alphabet(piece.substr(0, symbols[0].length)) + " " +
                       to_byte_alphabet(piece.substr(symbols[0].length)));
    }
    return merges;
  }

  Result<MarkRules> read_marks() const {
    using Kind = NormalizerStep::Kind;
    MarkRules rules;
    bool has_marks = false;
    for (const NormalizerStep& step : spec_.normalizer) {
      const bool is_mark_text = step.text == " " || step.text == kWordMark;
      if (step.kind == Kind::charsmap && !rules.charsmap) {
        rules.charsmap = step.charsmap.get();
      } else if (step.kind == Kind::collapse_spaces) {
        rules.collapse_spaces = true;
      } else if (step.kind == Kind::prepend && is_mark_text && !step.only_at_start) {
        rules.add_prefix = true;
      } else if (step.kind == Kind::replace && step.literal == " " && step.text == kWordMark) {
        has_marks = true;
      } else {
        return refuse("its normalizer is not one of sentencepiece's");
      }
    }
    for (const PreTokenizerStep& step : spec_.pre_tokenizer) {
      if (step.kind != PreTokenizerStep::Kind::add_prefix || step.mark != kWordMark ||
          step.prefix == Prefix::first) {
        return refuse("its pre-tokenizer is not one of sentencepiece's");
      }
      has_marks = true;
      rules.add_prefix |= step.prefix == Prefix::always;
    }
    if (!has_marks) return refuse("it keeps spaces as spaces");
    return rules;
  }

  Status write_llama() {
    TRY(const MarkRules rules, read_marks());
    if (rules.charsmap || rules.collapse_spaces)
      return refuse("it normalises text before SentencePiece BPE");
    set("tokenizer.ggml.model", std::string("llama"));
    set("tokenizer.ggml.pre", std::string("default"));
    set("tokenizer.ggml.tokens", spec_.pieces);
    auto scores = spec_.kind == ModelKind::score_bpe ? spec_.scores : scores_of_merges();
    // llama.cpp would merge text into control tokens ("eop" in "people"): as late as possible.
    for (size_t id = 0; id < scores.size(); ++id) {
      if (spec_.kinds[id] == TokenKind::control) scores[id] = kNeverMerged;
    }
    set("tokenizer.ggml.scores", std::move(scores));
    set("tokenizer.ggml.add_space_prefix", rules.add_prefix);
    return ok();
  }

  std::vector<double> scores_of_merges() const {
    std::unordered_map<std::string_view, double> scores;
    for (size_t rank = 0; rank < spec_.merges.size(); ++rank) {
      scores.emplace(spec_.merges[rank].joined, -static_cast<double>(rank));
    }
    std::vector<double> out(spec_.size(), 0);
    for (size_t id = 0; id < spec_.size(); ++id) {
      const auto found = scores.find(spec_.pieces[id]);
      if (found != scores.end()) {
        out[id] = found->second;
      } else if (!is_literal(id)) {
        out[id] = kNeverMerged;
      }
    }
    return out;
  }

  Status write_t5() {
    if (spec_.precision != Precision::f32) {
      return refuse("a Unigram tokenizer.json; sentencepiece's own file beside it would do");
    }
    TRY(const MarkRules rules, read_marks());
    set("tokenizer.ggml.model", std::string("t5"));
    set("tokenizer.ggml.pre", std::string("default"));
    set("tokenizer.ggml.tokens", spec_.pieces);
    set("tokenizer.ggml.scores", spec_.scores);
    set("tokenizer.ggml.add_space_prefix", rules.add_prefix);
    set("tokenizer.ggml.remove_extra_whitespaces", rules.collapse_spaces);
    if (rules.charsmap) {
      std::vector<uint64_t> bytes;
      for (const char byte : rules.charsmap->serialize())
        bytes.push_back(static_cast<uint8_t>(byte));
      set("tokenizer.ggml.precompiled_charsmap", std::move(bytes));
    }
    return ok();
  }

  Status write_bert() {
    using Kind = NormalizerStep::Kind;
    const auto has = [&](Kind kind) {
      return std::any_of(spec_.normalizer.begin(), spec_.normalizer.end(),
                         [&](const NormalizerStep& step) { return step.kind == kind; });
    };
    const bool is_bert = has(Kind::clean) && has(Kind::space_cjk) &&
                         spec_.normalizer.size() == 2u + (has(Kind::strip_accents) ? 2u : 0u) +
                                                        (has(Kind::lowercase) ? 1u : 0u);
    if (!is_bert || spec_.patterns != std::vector<std::string>{"bert"} ||
        spec_.wordpiece.continuation != "##") {
      return refuse("its WordPiece is not cut and normalised as BERT's");
    }
    set("tokenizer.ggml.model", std::string("bert"));
    set("tokenizer.ggml.pre", std::string("default"));
    set("tokenizer.ggml.normalizer.lowercase", has(Kind::lowercase));
    set("tokenizer.ggml.normalizer.strip_accents", has(Kind::strip_accents));
    set("tokenizer.ggml.token_type_count", uint64_t{2});
    std::vector<std::string> tokens = spec_.pieces;
    for (size_t id = 0; id < tokens.size(); ++id) {
      if (is_literal(id)) continue;
      // GGUF marks the start of a word where BERT marks its inside.
      if (tokens[id].compare(0, 2, "##") == 0) {
        tokens[id].erase(0, 2);
      } else {
        tokens[id].insert(0, kWordMark);
      }
    }
    set("tokenizer.ggml.tokens", std::move(tokens));
    return ok();
  }

  void write_kinds() {
    std::vector<int64_t> kinds;
    kinds.reserve(spec_.size());
    for (size_t id = 0; id < spec_.size(); ++id) {
      TokenKind kind = spec_.kinds[id];
      const auto token = static_cast<TokenId>(id);
      if (kind == TokenKind::control && token == spec_.unknown.unknown &&
          spec_.kind != ModelKind::wordpiece) {
        kind = TokenKind::unknown;
      }
      kinds.push_back(static_cast<int64_t>(kind));
    }
    set("tokenizer.ggml.token_type", std::move(kinds));
  }

  void write_specials() {
    const auto set_id = [&](const char* key, TokenId id) {
      // Unsigned: llama.cpp refuses an int32 here.
      if (id != kNoToken) set(key, static_cast<uint64_t>(id));
    };
    const bool is_bert = spec_.kind == ModelKind::wordpiece;
    const TokenId last = spec_.suffix_ids.empty() ? kNoToken : spec_.suffix_ids.back();
    set_id("tokenizer.ggml.bos_token_id", spec_.bos);
    set_id("tokenizer.ggml.eos_token_id", spec_.eos);
    set_id("tokenizer.ggml.unknown_token_id", spec_.unknown.unknown);
    set_id("tokenizer.ggml.padding_token_id", spec_.pad);
    for (const TokenId id : spec_.end_ids) {
      if (id == spec_.eos) continue;
      set_id("tokenizer.ggml.eot_token_id", id);
      break;
    }
    const bool adds_bos = spec_.prefix_ids.size() == 1 && spec_.prefix_ids[0] == spec_.bos;
    set("tokenizer.ggml.add_bos_token", adds_bos);
    if (is_bert) {
      set_id("tokenizer.ggml.cls_token_id", spec_.bos);
      set_id("tokenizer.ggml.seperator_token_id", last);  // sic: the key is spelled so
      set("tokenizer.ggml.add_sep_token", last != kNoToken);
    }
    set("tokenizer.ggml.add_eos_token", !is_bert && last != kNoToken && last == spec_.eos);
  }

  TokenizerSpec spec_;
  std::string where_;
  Metadata out_;
};

// tokenizer.json lists merges; the sentencepiece model that it was made from has the scores, which
// is what GGUF wants. Takes them over if the two agree.
Status use_sentencepiece_scores(const std::string& path, TokenizerSpec& spec) {
  const std::string model = (std::filesystem::path(path) / "tokenizer.model").string();
  if (spec.kind != ModelKind::char_bpe || !is_directory(path) || !is_regular_file(model))
    return ok();
  TRY(const TokenizerSpec scored, read_tokenizer_folder(model, nullptr));
  const bool agrees = scored.kind == ModelKind::score_bpe && scored.size() <= spec.size() &&
                      std::equal(scored.pieces.begin(), scored.pieces.end(), spec.pieces.begin());
  if (!agrees) return ok();
  spec.kind = ModelKind::score_bpe;
  spec.scores = scored.scores;
  spec.scores.resize(spec.size());
  spec.merges.clear();
  return ok();
}

}  // namespace

Result<Metadata> tokenizer_to_gguf_metadata(const std::string& path) {
  std::string chat_template;
  TRY(TokenizerSpec spec, read_tokenizer_folder(path, &chat_template));
  // A vocabulary that we would refuse to read must not be written.
  const auto readable = build_tokenizer(spec, path);
  if (!readable) return readable.error();
  TRY_STATUS(use_sentencepiece_scores(path, spec));
  return GgufExport(std::move(spec), path).run(chat_template);
}

}  // namespace jiang
