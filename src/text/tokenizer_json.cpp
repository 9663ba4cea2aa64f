// tokenizer.json of Hugging Face's tokenizers: a model, and around it normalizer, pre-tokenizer,
// post-processor and decoder. What is not known here is an error that names it.
#include <algorithm>
#include <unordered_set>

#include "base/json_value.h"
#include "text/base64.h"
#include "text/byte_alphabet.h"
#include "text/fast_json.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

constexpr int kMaxSteps = 256;  // of a pipeline, Sequences unrolled

bool is_punctuation_of_hf(char32_t c) {
  return (c < 128 && c > 32 && !is_letter(c) && !is_number(c) && c != 127) || is_punctuation(c);
}

class JsonReader {
 public:
  JsonReader(TokenizerJson json, Json config, std::string_view where)
      : json_(std::move(json)), config_(std::move(config)), where_(where) {}

  Result<TokenizerSpec> read() {
    TRY_STATUS(read_model());
    if (const Json* normalizer = find_member(config_, "normalizer")) {
      TRY_STATUS(each_step(*normalizer, "normalizers",
                           [&](const Json& step) { return read_normalizer(step); }));
    }
    if (const Json* pre = find_member(config_, "pre_tokenizer")) {
      TRY_STATUS(each_step(*pre, "pretokenizers",
                           [&](const Json& step) { return read_pre_tokenizer(step); }));
    }
    TRY_STATUS(read_decoder());
    if (is_bpe_ && is_byte_level_) {
      spec_.kind = ModelKind::byte_bpe;
    }
    TRY_STATUS(read_vocabulary());
    if (const Json* post = find_member(config_, "post_processor")) {
      TRY_STATUS(each_step(*post, "processors",
                           [&](const Json& step) { return read_post_processor(step); }));
    }
    if (!spec_.prefix_ids.empty()) spec_.bos = spec_.prefix_ids.front();
    return std::move(spec_);
  }

 private:
  Error refuse(std::string_view what, std::string_view type) const {
    return fail(ErrorKind::unsupported, "{}: {} \"{}\" is not supported", where_, what,
                type.substr(0, 80));
  }

  // A step, or a Sequence of them (of Sequences); `list` is the key of a Sequence's members.
  template <class Read>
  Status each_step(const Json& root, std::string_view list, Read read) {
    std::vector<const Json*> stack{&root};
    int n_steps = 0;
    while (!stack.empty()) {
      const Json& step = *stack.back();
      stack.pop_back();
      if (++n_steps > kMaxSteps) {
        return fail(ErrorKind::bad_file, "{}: more than {} steps in \"{}\"", where_, kMaxSteps,
                    list);
      }
      TRY(const std::string type, get_string(step, "type", where_));
      if (type != "Sequence") {
        TRY_STATUS(read(step));
        continue;
      }
      const Json* members = find_member(step, list);
      if (!members || !members->is_array()) {
        return fail(ErrorKind::bad_file, "{}: a Sequence without \"{}\"", where_, list);
      }
      for (size_t i = members->size(); i-- > 0;) stack.push_back(&(*members)[i]);
    }
    return ok();
  }

  Status read_model() {
    const Json* model = find_member(config_, "model");
    if (!model) return fail(ErrorKind::bad_file, "{}: \"model\" is missing", where_);
    // Files of the first versions do not say the type.
    const char* guess = !json_.scores.empty()                             ? "Unigram"
                        : find_member(*model, "max_input_chars_per_word") ? "WordPiece"
                                                                          : "BPE";
    TRY(const std::string type, get_string_or(*model, "type", guess, where_));
    if (type == "BPE") {
      is_bpe_ = true;
      spec_.kind = ModelKind::char_bpe;
      TRY(const double dropout, get_number_or(*model, "dropout", 0, where_));
      if (dropout != 0) return refuse("model option", "dropout");
      for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        TRY(const std::string affix, get_string_or(*model, key, "", where_));
        if (!affix.empty()) return refuse("model option", key);
      }
      TRY(spec_.ignore_merges, get_bool_or(*model, "ignore_merges", false, where_));
      TRY(spec_.unknown.byte_fallback, get_bool_or(*model, "byte_fallback", false, where_));
      TRY(spec_.unknown.fuse, get_bool_or(*model, "fuse_unk", false, where_));
      TRY(unknown_text_, get_string_or(*model, "unk_token", "", where_));
    } else if (type == "Unigram") {
      spec_.kind = ModelKind::unigram;
      spec_.unknown.fuse = true;
      TRY(spec_.unknown.byte_fallback, get_bool_or(*model, "byte_fallback", false, where_));
      TRY(const int64_t id, get_int_or(*model, "unk_id", kNoToken, where_));
      if (id != kNoToken && (id < 0 || static_cast<size_t>(id) >= json_.scores.size())) {
        return fail(ErrorKind::bad_file, "{}: unk_id {} is outside of the vocabulary", where_, id);
      }
      spec_.unknown.unknown = static_cast<TokenId>(id);
    } else if (type == "WordPiece") {
      spec_.kind = ModelKind::wordpiece;
      TRY(unknown_text_, get_string_or(*model, "unk_token", "[UNK]", where_));
      TRY(spec_.wordpiece.continuation,
          get_string_or(*model, "continuing_subword_prefix", "##", where_));
      TRY(const int64_t longest, get_int_or(*model, "max_input_chars_per_word", 100, where_));
      if (longest < 1 || longest > 10'000) {
        return fail(ErrorKind::bad_file, "{}: max_input_chars_per_word is {}", where_, longest);
      }
      spec_.wordpiece.max_characters = static_cast<size_t>(longest);
    } else {
      return refuse("model", type);
    }
    return ok();
  }

  // {"String": ".."} or {"Regex": ".."}, or the string itself in old files.
  Result<MatcherPtr> read_pattern(const Json& step, std::string* source = nullptr) {
    const Json* pattern = find_member(step, "pattern");
    if (!pattern) return fail(ErrorKind::bad_file, "{}: a step without \"pattern\"", where_);
    if (pattern->is_string()) {
      if (source) *source = "literal " + pattern->get<std::string>();
      return make_literal_matcher(pattern->get<std::string>());
    }
    if (find_member(*pattern, "String")) {
      TRY(std::string literal, get_string(*pattern, "String", where_));
      if (source) *source = "literal " + literal;
      return make_literal_matcher(std::move(literal));
    }
    TRY(const std::string regex, get_string(*pattern, "Regex", where_));
    if (source) *source = regex;
    return make_pattern_matcher(regex, where_);
  }

  Status read_normalizer(const Json& step) {
    using Kind = NormalizerStep::Kind;
    TRY(const std::string type, get_string(step, "type", where_));
    auto& steps = spec_.normalizer;
    if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
      const Normalization form = type == "NFC"    ? Normalization::nfc
                                 : type == "NFD"  ? Normalization::nfd
                                 : type == "NFKC" ? Normalization::nfkc
                                                  : Normalization::nfkd;
      steps.push_back({.kind = Kind::unicode, .form = form});
    } else if (type == "Lowercase") {
      steps.push_back({.kind = Kind::lowercase});
    } else if (type == "StripAccents") {
      steps.push_back({.kind = Kind::strip_accents});
    } else if (type == "Nmt") {
      steps.push_back({.kind = Kind::nmt});
    } else if (type == "Strip") {
      TRY(const bool left, get_bool_or(step, "strip_left", true, where_));
      TRY(const bool right, get_bool_or(step, "strip_right", true, where_));
      steps.push_back({.kind = Kind::strip, .left = left, .right = right});
    } else if (type == "Replace") {
      std::string source;
      TRY(MatcherPtr matcher, read_pattern(step, &source));
      TRY(std::string content, get_string(step, "content", where_));
      steps.push_back({.kind = Kind::replace,
                       .text = std::move(content),
                       .matcher = std::move(matcher),
                       .literal = source.substr(0, 8) == "literal " ? source.substr(8) : ""});
    } else if (type == "Prepend") {
      TRY(std::string prefix, get_string(step, "prepend", where_));
      steps.push_back({.kind = Kind::prepend, .text = std::move(prefix)});
    } else if (type == "Precompiled") {
      TRY(const std::string encoded, get_string_or(step, "precompiled_charsmap", "", where_));
      const auto bytes = decode_base64(encoded);
      if (!bytes)
        return fail(ErrorKind::bad_file, "{}: precompiled_charsmap is not base64", where_);
      TRY(Charsmap map, Charsmap::parse(*bytes, where_));
      steps.push_back({.kind = Kind::charsmap_by_grapheme,
                       .charsmap = std::make_shared<const Charsmap>(std::move(map))});
    } else if (type == "BertNormalizer") {
      TRY(const bool clean, get_bool_or(step, "clean_text", true, where_));
      TRY(const bool cjk, get_bool_or(step, "handle_chinese_chars", true, where_));
      TRY(const bool lowercase, get_bool_or(step, "lowercase", true, where_));
      TRY(const bool accents, get_bool_or(step, "strip_accents", lowercase, where_));
      for (auto& part : bert_normalizer(clean, cjk, accents, lowercase))
        steps.push_back(std::move(part));
    } else if (type == "ByteLevel") {
      is_byte_level_ = true;
    } else {
      return refuse("normalizer", type);
    }
    return ok();
  }

  Result<SplitBehavior> read_behavior(const Json& step, const char* otherwise) {
    TRY(const std::string name, get_string_or(step, "behavior", otherwise, where_));
    if (name == "Removed") return SplitBehavior::removed;
    if (name == "Isolated") return SplitBehavior::isolated;
    if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
    if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
    if (name == "Contiguous") return SplitBehavior::contiguous;
    return fail(ErrorKind::bad_file, "{}: unknown behavior \"{}\"", where_, name.substr(0, 80));
  }

  void add_split(MatcherPtr matcher, SplitBehavior behavior, std::string pattern,
                 bool invert = false) {
    // "Remove all but the matches" of a pattern that matches everywhere keeps everything.
    if (invert && behavior == SplitBehavior::removed && matcher->tiling()) {
      behavior = SplitBehavior::isolated;
      invert = false;
    }
    if (behavior != SplitBehavior::isolated || invert) {
      pattern +=
          fmt::format(" behavior {}{}", static_cast<int>(behavior), invert ? " inverted" : "");
    }
    auto step = PreTokenizerStep::split(std::move(matcher), behavior);
    step.invert = invert;
    // After ByteLevel the text is in the byte alphabet, and patterns see that.
    step.in_byte_alphabet = after_byte_level_;
    spec_.pre_tokenizer.push_back(std::move(step));
    spec_.patterns.push_back(std::move(pattern));
  }

  Status read_pre_tokenizer(const Json& step) {
    TRY(const std::string type, get_string(step, "type", where_));
    if (type == "ByteLevel") {
      TRY(const bool add_prefix, get_bool_or(step, "add_prefix_space", true, where_));
      TRY(const bool use_regex, get_bool_or(step, "use_regex", true, where_));
      if (after_byte_level_) return refuse("a second pre-tokenizer", type);
      if (add_prefix) {
        spec_.pre_tokenizer.push_back(PreTokenizerStep::add_prefix(" ", Prefix::always));
        spec_.patterns.emplace_back("prefix space");
      }
      if (use_regex) {
        TRY(MatcherPtr matcher, make_pattern_matcher(patterns::kGpt2, where_));
        add_split(std::move(matcher), SplitBehavior::isolated, std::string(patterns::kGpt2));
      }
      is_byte_level_ = true;
      after_byte_level_ = true;
    } else if (type == "Split") {
      std::string source;
      TRY(MatcherPtr matcher, read_pattern(step, &source));
      TRY(const SplitBehavior behavior, read_behavior(step, "Isolated"));
      TRY(const bool invert, get_bool_or(step, "invert", false, where_));
      add_split(std::move(matcher), behavior, std::move(source), invert);
    } else if (type == "Digits") {
      TRY(const bool individual, get_bool_or(step, "individual_digits", false, where_));
      add_split(
          make_class_matcher(is_number, individual ? ClassRuns::one_by_one : ClassRuns::whole_run),
          SplitBehavior::isolated, individual ? R"(\p{N})" : R"(\p{N}+)");
    } else if (type == "Punctuation") {
      TRY(const SplitBehavior behavior, read_behavior(step, "Isolated"));
      const bool is_contiguous = behavior == SplitBehavior::contiguous;
      // Runs of punctuation as one piece: Falcon's first pattern in GGUF's table.
      add_split(make_class_matcher(is_punctuation_of_hf,
                                   is_contiguous ? ClassRuns::whole_run : ClassRuns::one_by_one),
                is_contiguous ? SplitBehavior::isolated : behavior,
                is_contiguous ? R"([\p{P}\$\+<=>\^~\|`]+)" : "punctuation");
    } else if (type == "Metaspace") {
      TRY(const std::string mark,
          get_string_or(step, "replacement", std::string(kWordMark), where_));
      TRY(const bool old_prefix, get_bool_or(step, "add_prefix_space", true, where_));
      TRY(const std::string scheme,
          get_string_or(step, "prepend_scheme", old_prefix ? "always" : "never", where_));
      if (scheme != "always" && scheme != "first" && scheme != "never")
        return refuse("prepend_scheme", scheme);
      if (mark.empty())
        return fail(ErrorKind::bad_file, "{}: Metaspace without a replacement", where_);
      spec_.pre_tokenizer.push_back(
          PreTokenizerStep::add_prefix(mark, scheme == "always"  ? Prefix::always
                                             : scheme == "first" ? Prefix::first
                                                                 : Prefix::never));
      spec_.patterns.emplace_back("metaspace " + scheme);
      TRY(const bool split, get_bool_or(step, "split", true, where_));
      if (split)
        add_split(make_literal_matcher(mark), SplitBehavior::merged_with_next, "metaspace");
    } else if (type == "BertPreTokenizer") {
      for (auto& part : bert_pre_tokenizer()) spec_.pre_tokenizer.push_back(std::move(part));
      spec_.patterns.emplace_back("bert");
    } else if (type == "Whitespace") {
      TRY(MatcherPtr matcher, make_pattern_matcher(R"(\w+|[^\w\s]+)", where_));
      add_split(std::move(matcher), SplitBehavior::removed, "whitespace", /*invert=*/true);
    } else if (type == "WhitespaceSplit") {
      add_split(make_class_matcher(is_whitespace, ClassRuns::one_by_one), SplitBehavior::removed,
                "whitespace split");
    } else if (type == "CharDelimiterSplit") {
      TRY(const std::string delimiter, get_string(step, "delimiter", where_));
      add_split(make_literal_matcher(delimiter), SplitBehavior::removed, "delimiter");
    } else if (type == "FixedLength") {
      TRY(const int64_t length, get_int_or(step, "length", 5, where_));
      if (length < 1 || length > 1'000'000)
        return fail(ErrorKind::bad_file, "{}: FixedLength of {}", where_, length);
      add_split(make_fixed_length_matcher(static_cast<size_t>(length)), SplitBehavior::isolated,
                "fixed length");
    } else {
      return refuse("pre-tokenizer", type);
    }
    return ok();
  }

  Status read_decoder() {
    const Json* decoder = find_member(config_, "decoder");
    if (!decoder) {
      if (spec_.kind == ModelKind::wordpiece) spec_.decoding = Decoding::wordpiece;
      if (spec_.kind == ModelKind::unigram) spec_.decoding = Decoding::word_mark;
      return ok();
    }
    return each_step(*decoder, "decoders", [&](const Json& step) -> Status {
      TRY(const std::string type, get_string(step, "type", where_));
      if (type == "ByteLevel") {
        is_byte_level_ = true;
      } else if (type == "ByteFallback" || type == "Fuse") {
        // Both are how jiang decodes anyway.
      } else if (type == "Replace") {
        const Json* pattern = find_member(step, "pattern");
        const Json* literal = pattern ? find_member(*pattern, "String") : nullptr;
        TRY(const std::string content, get_string(step, "content", where_));
        if (!literal || !literal->is_string() || literal->get<std::string>() != kWordMark ||
            content != " ") {
          return refuse("decoder", "Replace of another pattern than the word mark");
        }
        spec_.decoding = Decoding::word_mark;
      } else if (type == "Strip") {
        TRY(const std::string content, get_string(step, "content", where_));
        TRY(const int64_t start, get_int_or(step, "start", 0, where_));
        TRY(const int64_t stop, get_int_or(step, "stop", 0, where_));
        if (content != " " || start < 0 || start > 1 || stop != 0)
          return refuse("decoder", "Strip of this kind");
        spec_.drop_first_space = start == 1;
      } else if (type == "Metaspace") {
        TRY(const std::string mark,
            get_string_or(step, "replacement", std::string(kWordMark), where_));
        if (mark != kWordMark) return refuse("Metaspace replacement", mark);
        TRY(const bool old_prefix, get_bool_or(step, "add_prefix_space", true, where_));
        TRY(const std::string scheme,
            get_string_or(step, "prepend_scheme", old_prefix ? "always" : "never", where_));
        spec_.decoding = Decoding::word_mark;
        spec_.drop_first_space = scheme != "never";
      } else if (type == "WordPiece") {
        spec_.decoding = Decoding::wordpiece;
        TRY(spec_.wordpiece.continuation, get_string_or(step, "prefix", "##", where_));
        TRY(spec_.clean_up, get_bool_or(step, "cleanup", true, where_));
      } else {
        return refuse("decoder", type);
      }
      return ok();
    });
  }

  Status read_vocabulary() {
    std::vector<AddedToken> added;
    std::unordered_set<int64_t> model_ids;
    std::unordered_set<int64_t> added_ids;
    const Json* list = find_member(config_, "added_tokens");
    if (list && !list->is_array())
      return fail(ErrorKind::bad_file, "{}: \"added_tokens\" must be a list", where_);
    if (list && !list->empty()) {
      for (const auto& [id, text] : json_.vocabulary) model_ids.insert(id);
    }
    for (size_t i = 0; list && i < list->size(); ++i) {
      const Json& entry = (*list)[i];
      TRY(const int64_t id, get_int(entry, "id", where_));
      AddedToken token;
      TRY(token.text, get_string(entry, "content", where_));
      TRY(token.special, get_bool_or(entry, "special", false, where_));
      TRY(token.lstrip, get_bool_or(entry, "lstrip", false, where_));
      TRY(token.rstrip, get_bool_or(entry, "rstrip", false, where_));
      TRY(token.single_word, get_bool_or(entry, "single_word", false, where_));
      if (id < 0 || id > static_cast<int64_t>(kMaxVocabulary) || !added_ids.insert(id).second) {
        return fail(ErrorKind::bad_file, "{}: added token \"{}\" has the id {}, which is {}",
                    where_, token.text.substr(0, 60), id,
                    added_ids.count(id) ? "taken" : "impossible");
      }
      token.id = static_cast<TokenId>(id);
      if (!model_ids.count(id)) json_.vocabulary.emplace_back(id, token.text);
      added.push_back(std::move(token));
    }
    TRY(spec_.pieces, place_by_id(std::move(json_.vocabulary), where_));
    spec_.kinds.assign(spec_.size(), TokenKind::normal);
    if (spec_.kind == ModelKind::unigram) {
      spec_.scores = std::move(json_.scores);
      spec_.scores.resize(spec_.size());
    }
    for (AddedToken& token : added) {
      const auto id = static_cast<size_t>(token.id);
      if (spec_.pieces[id] != token.text) {
        return fail(ErrorKind::bad_file, "{}: added token \"{}\" has the id {} of \"{}\"", where_,
                    token.text.substr(0, 60), id, spec_.pieces[id].substr(0, 60));
      }
      spec_.kinds[id] = token.special ? TokenKind::control : TokenKind::user_defined;
    }
    if (!unknown_text_.empty()) {
      const auto found = std::find(spec_.pieces.begin(), spec_.pieces.end(), unknown_text_);
      if (found == spec_.pieces.end()) {
        // Some files name one that they do not have; it matters only where a character may be
        // unknown.
        if (spec_.kind == ModelKind::wordpiece) {
          return fail(ErrorKind::bad_file, "{}: the unknown token \"{}\" is not in the vocabulary",
                      where_, unknown_text_.substr(0, 60));
        }
      } else {
        spec_.unknown.unknown = static_cast<TokenId>(found - spec_.pieces.begin());
        spec_.wordpiece.unknown = spec_.unknown.unknown;
      }
    }
    for (size_t id = 0; id < spec_.size(); ++id) {
      const bool is_plain = spec_.kinds[id] == TokenKind::normal;
      if (is_plain && spec_.unknown.byte_fallback && byte_of_piece(spec_.pieces[id]) >= 0) {
        spec_.kinds[id] = TokenKind::byte;
      }
      if (is_plain && spec_.kind == ModelKind::byte_bpe)
        spec_.pieces[id] = piece_bytes(spec_.pieces[id]);
    }
    spec_.merges = std::move(json_.merges);
    if (spec_.kind == ModelKind::byte_bpe) {
      for (auto& merge : spec_.merges) {
        const std::string_view joined = merge.joined;
        merge = byte_merge(joined.substr(0, merge.left_bytes), joined.substr(merge.left_bytes));
      }
    }
    spec_.added = std::move(added);
    return ok();
  }

  Result<TokenId> checked_id(int64_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= spec_.size()) {
      return fail(ErrorKind::bad_file, "{}: the post-processor uses id {}, the vocabulary has {}",
                  where_, id, spec_.size());
    }
    return static_cast<TokenId>(id);
  }

  Status read_post_processor(const Json& step) {
    TRY(const std::string type, get_string(step, "type", where_));
    if (type == "ByteLevel") return ok();  // offsets only
    if (type == "BertProcessing" || type == "RobertaProcessing") {
      for (const char* key : {"cls", "sep"}) {
        const Json* pair = find_member(step, key);
        if (!pair || !pair->is_array() || pair->size() != 2 || !(*pair)[1].is_number_integer()) {
          return fail(ErrorKind::bad_file, "{}: {} without \"{}\"", where_, type, key);
        }
        TRY(const TokenId id, checked_id((*pair)[1].get<int64_t>()));
        (key[0] == 'c' ? spec_.prefix_ids : spec_.suffix_ids).push_back(id);
      }
      return ok();
    }
    if (type != "TemplateProcessing") return refuse("post-processor", type);
    const Json* single = find_member(step, "single");
    const Json* tokens = find_member(step, "special_tokens");
    if (!single || !single->is_array()) {
      return fail(ErrorKind::bad_file, "{}: TemplateProcessing without \"single\"", where_);
    }
    bool after_text = false;
    for (const Json& item : *single) {
      if (find_member(item, "Sequence")) {
        after_text = true;
        continue;
      }
      const Json* special = find_member(item, "SpecialToken");
      if (!special) return fail(ErrorKind::bad_file, "{}: an unknown item in a template", where_);
      TRY(const std::string name, get_string(*special, "id", where_));
      const Json* entry = tokens ? find_member(*tokens, name) : nullptr;
      const Json* ids = entry ? find_member(*entry, "ids") : nullptr;
      if (!ids || !ids->is_array()) {
        return fail(ErrorKind::bad_file, "{}: the template uses \"{}\", which has no ids", where_,
                    name.substr(0, 60));
      }
      for (const Json& id : *ids) {
        if (!id.is_number_integer())
          return fail(ErrorKind::bad_file, "{}: an id in a template is no integer", where_);
        TRY(const TokenId checked, checked_id(id.get<int64_t>()));
        (after_text ? spec_.suffix_ids : spec_.prefix_ids).push_back(checked);
      }
    }
    return ok();
  }

  TokenizerJson json_;
  Json config_;
  std::string_view where_;
  TokenizerSpec spec_;
  bool is_bpe_ = false;
  bool is_byte_level_ = false;
  bool after_byte_level_ = false;
  std::string unknown_text_;
};

}  // namespace

Result<TokenizerSpec> read_tokenizer_json(std::string_view text, std::string_view where) {
  TRY(TokenizerJson json, parse_tokenizer_json(text, where));
  TRY(Json config, parse_json(json.rest, where));
  return JsonReader(std::move(json), std::move(config), where).read();
}

Result<std::vector<std::string>> place_by_id(std::vector<std::pair<int64_t, std::string>> entries,
                                             std::string_view where) {
  const size_t n = entries.size();
  std::vector<std::string> pieces(n);
  std::vector<bool> is_taken(n);
  for (auto& [id, text] : entries) {
    if (id < 0 || static_cast<size_t>(id) >= n) {
      return fail(ErrorKind::bad_file,
                  "{}: token \"{}\" has the id {}, but there are {} tokens: ids must count from 0 "
                  "without gaps",
                  where, text.substr(0, 60), id, n);
    }
    const auto at = static_cast<size_t>(id);
    if (is_taken[at]) {
      return fail(ErrorKind::bad_file, "{}: tokens \"{}\" and \"{}\" have the same id {}", where,
                  pieces[at].substr(0, 60), text.substr(0, 60), id);
    }
    is_taken[at] = true;
    pieces[at] = std::move(text);
  }
  return pieces;
}

}  // namespace jiang
