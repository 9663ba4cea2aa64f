// Tokenizer: text <-> token ids, exact to the id with the tokenizer that the model was trained
// with. Immutable; any thread may use it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/metadata.h"
#include "base/result.h"
#include "base/token.h"

namespace jiang {

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

struct EncodeOptions {
  // User text is data: "<|im_start|>" in it is ten characters, unless asked for.
  bool parse_specials = false;
  // Put the bos/eos (or [CLS]/[SEP]) around the text that this model wants.
  bool add_specials = false;
  // With parse_specials: only those that lie within one of these ranges (ascending, of valid
  // UTF-8); elsewhere they are text. Empty: everywhere. So a prompt's own special tokens are
  // parsed and those that a user wrote are not, in one pass over the whole text.
  std::span<const TextRange> specials_within = {};
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Any bytes are accepted. Byte-level and byte-fallback vocabularies give them back exactly when
  // the text is valid UTF-8; ill-formed bytes become U+FFFD first where the tokenizer works on
  // characters.
  virtual std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const = 0;
  // The bytes of one token, as it stands inside a text (a byte token is one byte, perhaps half a
  // character). Special tokens give their own text. Unknown ids give "".
  virtual std::string token_bytes(TokenId id) const = 0;
  // The whole text; special tokens are left out unless asked for. Not always the concatenation of
  // token_bytes(): SentencePiece drops the space before the first word, WordPiece joins "##".
  virtual std::string decode(std::span<const TokenId> ids, bool with_specials = false) const = 0;

  // What `id` adds to a text that is being decoded, as bytes: perhaps half a character. `at_start`:
  // no token has given any text yet.
  virtual std::string text_bytes(TokenId id, bool at_start, bool with_specials) const {
    (void)at_start;
    return is_special(id) && !with_specials ? std::string() : token_bytes(id);
  }

  virtual int32_t vocab_size() const = 0;
  virtual bool is_special(TokenId id) const = 0;  // control tokens, not text
  virtual std::optional<TokenId> find(std::string_view token) const = 0;  // exact vocabulary entry
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  virtual bool adds_bos() const = 0;
  // eos, and the other tokens that end a turn (<|im_end|>, <|eot_id|>, <end_of_turn> ...).
  virtual std::span<const TokenId> end_ids() const = 0;
  // "byte-level BPE (qwen2), 151643 tokens + 208 special": for people.
  virtual std::string describe() const = 0;
};

// What a model's files say about its tokenizer and chat.
struct TextAssets {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string chat_template;  // Jinja source; "" when the model has none
  std::string bos_token;      // their text, for the template
  std::string eos_token;
};

// From a GGUF file's metadata (tokenizer.ggml.*, tokenizer.chat_template).
Result<TextAssets> load_text_assets(const Metadata& metadata, std::string_view where);
// From a folder (tokenizer.json, or vocab.json + merges.txt, tokenizer.model, *.tiktoken,
// vocab.txt; with tokenizer_config.json, chat_template.jinja beside it) or one such file.
Result<TextAssets> load_text_assets(const std::string& path);

// Turns ids into text as they come: feed() returns only whole UTF-8 characters and holds back a
// partial one; finish() returns what is left, U+FFFD for what never became a character.
// The concatenation equals tokenizer.decode() of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool with_specials = false);
  // What comes goes on with the text of `prompt`: whether a first space is kept depends on it, and
  // its last character may be in parts. Parts that stay parts were the prompt's and are not told.
  void continue_after(std::span<const TokenId> prompt);
  std::string feed(TokenId id);
  std::string finish();

 private:
  void drop_what_the_prompt_left();
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool with_specials_;
  bool first_ = true;
  std::string held_;
  size_t n_of_prompt_ = 0;  // bytes of held_ that are the prompt's
};

}  // namespace jiang
