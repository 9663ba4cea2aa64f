// jiang tokenize: text -> ids and back.
#include <cctype>
#include <charconv>

#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

constexpr size_t kMaxTokenizeBytes = size_t{1} << 30;

// "[1, 2, 3]" or "1 2 3" or one per line.
Result<std::vector<TokenId>> parse_ids(std::string_view text, const Tokenizer& tokenizer) {
  std::vector<TokenId> ids;
  const auto is_separator = [](char c) {
    return c == ',' || c == '[' || c == ']' || std::isspace(static_cast<unsigned char>(c));
  };
  for (size_t at = 0; at < text.size();) {
    if (is_separator(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !is_separator(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    TokenId id = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size()) {
      return fail(ErrorKind::invalid_argument,
                  "'{}' on standard input is no token id; --decode reads numbers",
                  word.substr(0, 40));
    }
    if (id < 0 || id >= tokenizer.vocab_size()) {
      return fail(ErrorKind::invalid_argument, "token id {} is outside the vocabulary of {}", id,
                  tokenizer.vocab_size());
    }
    ids.push_back(id);
    at = end;
  }
  return ids;
}

Result<int> run_tokenize(const std::vector<std::string>& arguments) {
  std::string model;
  bool as_json = false;
  bool decode = false;
  bool specials = false;
  bool add_specials = false;
  Options options("tokenize");
  options.positional(model, "MODEL_OR_TOKENIZER", Options::Need::required,
                     "a model, or a file or folder that holds only a tokenizer");
  options.flag(as_json, "--json", "the ids as a JSON array");
  options.flag(decode, "--decode", "the way back: ids from stdin, text to stdout");
  options.flag(specials, "--specials",
               "special tokens in the text are tokens; with --decode, they are shown");
  options.flag(add_specials, "--add-specials", "add the bos and eos that the model wants");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  TRY(const TextAssets assets, load_tokenizer(model));
  const Tokenizer& tokenizer = *assets.tokenizer;
  TRY(const std::string input, read_stdin(kMaxTokenizeBytes));
  if (decode) {
    TRY(const std::vector<TokenId> ids, parse_ids(input, tokenizer));
    TRY_STATUS(print(tokenizer.decode(ids, specials)));
    return 0;
  }
  const auto ids = tokenizer.encode(
      input, EncodeOptions{.parse_specials = specials, .add_specials = add_specials});
  std::string text = as_json ? "[" : "";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) text += as_json ? "," : " ";
    text += std::to_string(ids[i]);
  }
  TRY_STATUS(print(text + (as_json ? "]\n" : "\n")));
  return 0;
}

}  // namespace

const Command kTokenize = {
    .name = "tokenize",
    .usage = "usage: jiang tokenize MODEL_OR_TOKENIZER [OPTIONS] < TEXT",
    .summary = "text from stdin to token ids, or back",
    .examples =
        "  printf 'Hello' | jiang tokenize model.gguf --json\n"
        "  echo '[9707]' | jiang tokenize model.gguf --decode\n"
        "  jiang tokenize tokenizer.json < book.txt | wc -w",
    .run = run_tokenize,
};

}  // namespace jiang
