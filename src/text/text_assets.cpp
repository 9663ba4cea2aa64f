// load_text_assets(): which files a folder has, and what the small files beside the vocabulary say
// about it (special tokens, template, end ids).
#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"
#include "text/byte_alphabet.h"
#include "text/pre_names.h"
#include "text/tokenizer_sources.h"

namespace jiang {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxVocabularyBytes = size_t{256} << 20;
constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxTemplateBytes = size_t{4} << 20;

// What stands beside the vocabulary. A missing file is an empty object.
struct Companions {
  Json tokenizer_config = Json::object();
  Json special_tokens_map = Json::object();
  Json generation_config = Json::object();
  Json config = Json::object();
};

Result<Json> read_optional_json(const fs::path& path) {
  if (!is_regular_file(path.string())) return Json::object();
  TRY(Json json, parse_json_file(path.string(), JsonLimits{.max_bytes = kMaxConfigBytes}));
  if (!json.is_object())
    return fail(ErrorKind::bad_file, "{}: must be a JSON object", path.string());
  return json;
}

// "text", or {"content": "text", ...}.
std::optional<std::string> token_text(const Json* value) {
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  const Json* content = find_member(*value, "content");
  if (content && content->is_string()) return content->get<std::string>();
  return std::nullopt;
}

class FolderReader {
 public:
  explicit FolderReader(const std::string& path) : path_(path), folder_(path) {
    if (!is_directory(path)) folder_ = fs::path(path).parent_path();
  }

  // The whole reading; build() makes the assets of it.
  Result<TokenizerSpec> read() {
    TRY(companions_.tokenizer_config, read_optional_json(folder_ / "tokenizer_config.json"));
    TRY(companions_.special_tokens_map, read_optional_json(folder_ / "special_tokens_map.json"));
    TRY(companions_.generation_config, read_optional_json(folder_ / "generation_config.json"));
    TRY(companions_.config, read_optional_json(folder_ / "config.json"));
    TRY(TokenizerSpec spec, read_vocabulary());
    TRY_STATUS(apply_class(spec));
    TRY_STATUS(add_tokens(spec));
    TRY_STATUS(set_specials(spec));
    return spec;
  }

  Result<std::string> read_template() const {
    const fs::path file = folder_ / "chat_template.jinja";
    if (is_regular_file(file.string())) return read_file(file.string(), kMaxTemplateBytes);
    const Json* source = find_member(companions_.tokenizer_config, "chat_template");
    if (!source) return std::string();
    if (source->is_string()) return source->get<std::string>();
    // A list of named templates: the one for chat is called "default".
    if (source->is_array()) {
      for (const Json& entry : *source) {
        TRY(const std::string name, get_string(entry, "name", where_config()));
        if (name == "default") return get_string(entry, "template", where_config());
      }
    }
    return fail(ErrorKind::bad_file,
                "{}: \"chat_template\" is neither text nor a list with a \"default\"",
                where_config());
  }

  std::optional<std::string> special_text(const char* key) const {
    auto text = token_text(find_member(companions_.tokenizer_config, key));
    if (!text) text = token_text(find_member(companions_.special_tokens_map, key));
    return text;
  }

  std::string where_config() const { return (folder_ / "tokenizer_config.json").string(); }

 private:
  Result<TokenizerSpec> read_vocabulary() {
    if (!is_directory(path_)) return read_vocabulary_file(path_);
    for (const char* name : {"tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model"}) {
      const fs::path file = folder_ / name;
      const bool is_complete = std::string_view(name) != "vocab.json" ||
                               is_regular_file((folder_ / "merges.txt").string());
      if (is_complete && is_regular_file(file.string())) return read_vocabulary_file(file.string());
    }
    // Names that carry the model's: qwen.tiktoken, mistral_....model.v3. Sorted, so that the choice
    // does not depend on the file system.
    std::vector<std::string> candidates;
    std::error_code error;
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      const auto ends_with = [&](std::string_view tail) {
        return name.size() > tail.size() &&
               name.compare(name.size() - tail.size(), tail.size(), tail) == 0;
      };
      if (ends_with(".tiktoken") || ends_with(".model") ||
          name.find(".model.v") != std::string::npos) {
        candidates.push_back(entry->path().string());
      }
    }
    std::sort(candidates.begin(), candidates.end());
    if (!candidates.empty()) return read_vocabulary_file(candidates.front());
    if (is_regular_file((folder_ / "vocab.txt").string())) {
      return read_vocabulary_file((folder_ / "vocab.txt").string());
    }
    return fail(ErrorKind::not_found,
                "{}: no tokenizer here (looked for tokenizer.json, vocab.json with merges.txt, "
                "tokenizer.model, *.tiktoken, vocab.txt)",
                path_);
  }

  Result<TokenizerSpec> read_vocabulary_file(const std::string& file) {
    const std::string name = fs::path(file).filename().string();
    TRY(const std::string bytes, read_file(file, kMaxVocabularyBytes));
    if (name == "merges.txt" || name == "vocab.json") {
      const std::string vocab_path = (folder_ / "vocab.json").string();
      TRY(const std::string vocab, read_file(vocab_path, kMaxVocabularyBytes));
      TRY(const std::string merges,
          read_file((folder_ / "merges.txt").string(), kMaxVocabularyBytes));
      TRY(const std::string pre, pre_name(vocab_path));
      return read_vocab_and_merges(vocab, merges, pre, vocab_path);
    }
    if (name == "vocab.txt" || (name.size() > 4 && name.compare(name.size() - 4, 4, ".txt") == 0)) {
      TRY(const bool lowercase,
          get_bool_or(companions_.tokenizer_config, "do_lower_case", true, where_config()));
      return read_vocab_txt(bytes, lowercase, file);
    }
    const size_t first = bytes.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && bytes[first] == '{') return read_tokenizer_json(bytes, file);
    if (looks_like_tiktoken(bytes)) {
      TRY(const std::string pre, pre_name(file));
      return read_tiktoken(bytes, pre, file);
    }
    return read_sentencepiece(bytes, file);
  }

  static bool looks_like_tiktoken(std::string_view bytes) {
    const std::string_view line = bytes.substr(0, std::min(bytes.find('\n'), bytes.size()));
    const size_t space = line.find(' ');
    return space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
           std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(space), [](char c) {
             return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '+' || c == '/' || c == '=';
           });
  }

  std::string tokenizer_class() const {
    const auto name = get_string_or(companions_.tokenizer_config, "tokenizer_class", "", "");
    return name ? *name : "";
  }
  std::string model_type() const {
    const auto type = get_string_or(companions_.config, "model_type", "", "");
    return type ? *type : "";
  }

  Result<std::string> pre_name(const std::string& file) const {
    for (const std::string& name : {tokenizer_class(), model_type()}) {
      if (const auto pre = pre_name_of_class(name)) return std::string(*pre);
    }
    // GPT-2's own files came without any config.
    if (companions_.tokenizer_config.empty() && companions_.config.empty() &&
        fs::path(file).filename() == "vocab.json") {
      return std::string("gpt-2");
    }
    return fail(
        ErrorKind::unsupported,
        "{}: the file does not hold its pre-tokenizer, and neither tokenizer_class \"{}\" nor "
        "model_type \"{}\" names a known one; a tokenizer.json would",
        file, tokenizer_class(), model_type());
  }

  // What a tokenizer's class adds in code rather than in files.
  Status apply_class(TokenizerSpec& spec) {
    const std::string name = tokenizer_class();
    const bool is_sentencepiece =
        spec.kind == ModelKind::score_bpe ||
        (spec.kind == ModelKind::unigram && !spec.scores.empty() && spec.patterns.empty());
    const auto append_special = [&](const std::string& text) {
      AddedToken token;
      token.id = static_cast<TokenId>(spec.size());
      token.text = text;
      token.special = true;
      spec.pieces.push_back(text);
      spec.kinds.push_back(TokenKind::control);
      if (!spec.scores.empty()) spec.scores.push_back(0);
      spec.added.push_back(token);
      return token.id;
    };
    if (name == "ChatGLMTokenizer" && spec.kind == ModelKind::score_bpe) {
      for (const char* text : {"[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>",
                               "<|user|>", "<|assistant|>", "<|observation|>"}) {
        const TokenId id = append_special(text);
        if (std::string_view(text) == "[gMASK]" || std::string_view(text) == "sop")
          spec.prefix_ids.push_back(id);
      }
      spec.name = "chatglm3";
      return ok();
    }
    if (name == "QWenTokenizer" && spec.kind == ModelKind::rank_bpe) {
      for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) append_special(text);
      for (int i = 0; i < 205; ++i) append_special(fmt::format("<|extra_{}|>", i));
      spec.eos = spec.n_ranks;
    }
    // Qwen's slow tokenizers normalise in code; its tokenizer.json says so itself.
    if ((name == "QWenTokenizer" || name == "Qwen2Tokenizer") && spec.normalizer.empty() &&
        !spec.patterns.empty() && spec.name == "qwen2") {
      spec.normalizer.push_back(
          {.kind = NormalizerStep::Kind::unicode, .form = Normalization::nfc});
    }
    for (const char* shifted :
         {"XLMRobertaTokenizer", "CamembertTokenizer", "MBartTokenizer", "BarthezTokenizer"}) {
      if (is_sentencepiece && name.compare(0, std::string_view(shifted).size(), shifted) == 0) {
        return fail(ErrorKind::unsupported,
                    "{}: {} renumbers its sentencepiece model in code; a tokenizer.json is needed",
                    path_, name);
      }
    }
    if (is_sentencepiece) {
      // T5 ends with eos; the others of the Llama kind begin with bos.
      const bool is_t5 =
          name.compare(0, 2, "T5") == 0 || (name.empty() && spec.kind == ModelKind::unigram);
      if (is_t5 && spec.eos != kNoToken) spec.suffix_ids = {spec.eos};
      if (!is_t5 && spec.bos != kNoToken) spec.prefix_ids = {spec.bos};
    }
    return ok();
  }

  // added_tokens_decoder: {"151643": {"content": "<|endoftext|>", "special": true, ...}, ...}
  Status add_tokens(TokenizerSpec& spec) {
    const Json* decoder = find_member(companions_.tokenizer_config, "added_tokens_decoder");
    if (!decoder || !decoder->is_object()) return ok();
    std::vector<AddedToken> tokens;
    for (const auto& [key, entry] : decoder->items()) {
      AddedToken token;
      int64_t id = -1;
      if (!key.empty() && key.size() < 10 &&
          key.find_first_not_of("0123456789") == std::string::npos)
        id = std::stoll(key);
      const auto text = token_text(&entry);
      if (id < 0 || !text) {
        return fail(ErrorKind::bad_file, "{}: \"added_tokens_decoder\" has a bad entry \"{}\"",
                    where_config(), key.substr(0, 60));
      }
      token.id = static_cast<TokenId>(id);
      token.text = *text;
      TRY(token.special, get_bool_or(entry, "special", false, where_config()));
      TRY(token.lstrip, get_bool_or(entry, "lstrip", false, where_config()));
      TRY(token.rstrip, get_bool_or(entry, "rstrip", false, where_config()));
      TRY(token.single_word, get_bool_or(entry, "single_word", false, where_config()));
      tokens.push_back(std::move(token));
    }
    std::sort(tokens.begin(), tokens.end(),
              [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
    for (AddedToken& token : tokens) {
      const auto id = static_cast<size_t>(token.id);
      const auto old = std::find_if(spec.added.begin(), spec.added.end(),
                                    [&](const AddedToken& known) { return known.id == token.id; });
      if (old != spec.added.end()) continue;  // the vocabulary's own word counts
      if (id > spec.size()) {
        return fail(ErrorKind::bad_file,
                    "{}: added token \"{}\" has the id {}, which leaves a gap after {}",
                    where_config(), token.text.substr(0, 60), id, spec.size());
      }
      const TokenKind kind = token.special ? TokenKind::control : TokenKind::user_defined;
      if (id == spec.size()) {
        spec.pieces.push_back(token.text);
        spec.kinds.push_back(kind);
        if (!spec.scores.empty()) spec.scores.push_back(0);
      } else {
        // An entry of the vocabulary becomes special; it must be the same one.
        if (spec.pieces[id] != token.text) {
          return fail(ErrorKind::bad_file, "{}: added token \"{}\" has the id {} of \"{}\"",
                      where_config(), token.text.substr(0, 60), id, spec.pieces[id].substr(0, 60));
        }
        spec.kinds[id] = kind;
      }
      spec.added.push_back(std::move(token));
    }
    return ok();
  }

  static TokenId find_text(const TokenizerSpec& spec, const std::string& text) {
    for (const AddedToken& token : spec.added) {
      if (token.text == text) return token.id;
    }
    const auto found = std::find(spec.pieces.begin(), spec.pieces.end(), text);
    return found == spec.pieces.end() ? kNoToken
                                      : static_cast<TokenId>(found - spec.pieces.begin());
  }

  // A token that a config calls bos, eos ... is special even where the vocabulary does not say so.
  static void make_special(TokenizerSpec& spec, TokenId id) {
    auto& kind = spec.kinds[static_cast<size_t>(id)];
    if (kind == TokenKind::normal || kind == TokenKind::user_defined) kind = TokenKind::control;
    for (AddedToken& token : spec.added) {
      if (token.id != id) continue;
      token.special = true;
      return;
    }
    AddedToken token;
    token.id = id;
    token.text = spec.pieces[static_cast<size_t>(id)];
    token.special = true;
    spec.added.push_back(std::move(token));
  }

  Status set_specials(TokenizerSpec& spec) {
    struct Slot {
      const char* key;
      TokenId* id;
    };
    TokenId separator = kNoToken;
    TokenId classifier = kNoToken;
    TokenId mask = kNoToken;
    for (const Slot& slot : {Slot{"bos_token", &spec.bos}, Slot{"eos_token", &spec.eos},
                             Slot{"pad_token", &spec.pad}, Slot{"sep_token", &separator},
                             Slot{"cls_token", &classifier}, Slot{"mask_token", &mask}}) {
      const auto text = special_text(slot.key);
      if (!text) continue;
      const TokenId id = find_text(spec, *text);
      if (id == kNoToken) continue;  // named but not there: many configs inherit names they lack
      *slot.id = id;
      make_special(spec, id);
    }
    if (spec.eos == kNoToken) {
      for (const char* name : {"</s>", "<|endoftext|>", "<eos>", "<|end_of_text|>"}) {
        const TokenId id = find_text(spec, name);
        if (id == kNoToken) continue;
        spec.eos = id;
        make_special(spec, id);
        break;
      }
    }
    if (spec.bos == kNoToken && spec.name == "gpt-2") spec.bos = spec.eos;

    TRY_STATUS(set_flag("add_bos_token", spec.bos, spec.prefix_ids));
    TRY_STATUS(set_flag("add_eos_token", spec.eos, spec.suffix_ids));
    TRY_STATUS(read_end_ids(companions_.generation_config, spec));
    TRY_STATUS(read_end_ids(companions_.config, spec));
    return ok();
  }

  // A tokenizer.json's template counts more than the flags; they are for the slow classes.
  Status set_flag(const char* key, TokenId id, std::vector<TokenId>& ids) {
    const Json* flag = find_member(companions_.tokenizer_config, key);
    if (!flag || id == kNoToken) return ok();
    TRY(const bool wanted, get_bool(companions_.tokenizer_config, key, where_config()));
    if (wanted && ids.empty()) ids = {id};
    if (!wanted) std::erase(ids, id);
    return ok();
  }

  Status read_end_ids(const Json& config, TokenizerSpec& spec) {
    const Json* value = find_member(config, "eos_token_id");
    if (!value) return ok();
    const auto add = [&](const Json& id) {
      // Configs outlive vocabularies: an id that is not there is no end.
      if (!id.is_number_integer()) return;
      const auto number = id.get<int64_t>();
      if (number >= 0 && static_cast<size_t>(number) < spec.size()) {
        spec.end_ids.push_back(static_cast<TokenId>(number));
        if (spec.eos == kNoToken) spec.eos = static_cast<TokenId>(number);
      }
    };
    if (value->is_array()) {
      for (const Json& id : *value) add(id);
    } else {
      add(*value);
    }
    return ok();
  }

  std::string path_;
  fs::path folder_;
  Companions companions_;
};

std::string text_of(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? tokenizer.token_bytes(*id) : std::string();
}

}  // namespace

Result<TokenizerSpec> read_tokenizer_folder(const std::string& path, std::string* chat_template) {
  FolderReader reader(path);
  TRY(TokenizerSpec spec, reader.read());
  if (chat_template) {
    TRY(*chat_template, reader.read_template());
  }
  return spec;
}

Result<TextAssets> load_text_assets(const std::string& path) {
  if (!is_directory(path) && !is_regular_file(path)) {
    return fail(ErrorKind::not_found, "{}: no such file or folder", path);
  }
  TextAssets assets;
  TRY(TokenizerSpec spec, read_tokenizer_folder(path, &assets.chat_template));
  TRY(assets.tokenizer, build_tokenizer(std::move(spec), path));
  assets.bos_token = text_of(*assets.tokenizer, assets.tokenizer->bos());
  assets.eos_token = text_of(*assets.tokenizer, assets.tokenizer->eos());
  return assets;
}

Result<TextAssets> load_text_assets(const Metadata& metadata, std::string_view where) {
  TextAssets assets;
  TRY(TokenizerSpec spec, read_gguf_vocabulary(metadata, where));
  TRY(assets.tokenizer, build_tokenizer(std::move(spec), where));
  TRY(assets.chat_template, metadata.get_string_or("tokenizer.chat_template", ""));
  assets.bos_token = text_of(*assets.tokenizer, assets.tokenizer->bos());
  assets.eos_token = text_of(*assets.tokenizer, assets.tokenizer->eos());
  return assets;
}

}  // namespace jiang
