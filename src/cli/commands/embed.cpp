// jiang embed: a vector for each line of text.
#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "runtime/embedding.h"

namespace jiang {
namespace {

constexpr size_t kMaxEmbedBytes = size_t{256} << 20;

Pooling pooling_of(const std::string& word) {
  if (word == "mean") return Pooling::mean;
  if (word == "cls") return Pooling::cls;
  return word == "last" ? Pooling::last : Pooling::model;
}

Result<int> run_embed(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::string pool = "model";
  bool normalize = false;
  bool no_normalize = false;
  bool as_json = false;
  Options options("embed");
  options.positional(flags.model, "MODEL", Options::Need::required,
                     "a BERT-kind encoder, or a decoder whose hidden states are pooled");
  options.choice(pool, "--pool", {"model", "mean", "cls", "last"},
                 "which tokens' states (default: as the model says; decoders: mean)");
  options.flag(normalize, "--normalize", "to length 1 (default for encoders)");
  options.flag(no_normalize, "--no-normalize", "as they are (default for decoders)");
  options.flag(as_json, "--json", "one JSON document rather than a vector per line");
  flags.add_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (normalize && no_normalize) {
    return fail(ErrorKind::invalid_argument, "--normalize and --no-normalize exclude each other");
  }

  TRY(const LoadedModel loaded, load(flags, evaluation_engine_options(), WantedKind::any));
  const EmbeddingOptions embedding_options{.pooling = pooling_of(pool),
                                           .normalize = normalize      ? Normalize::yes
                                                        : no_normalize ? Normalize::no
                                                                       : Normalize::model};
  TRY(const std::string input, read_stdin(kMaxEmbedBytes));

  if (as_json) TRY_STATUS(print("{\"embeddings\":["));
  int64_t line_number = 0;
  for (size_t begin = 0; begin < input.size();) {
    const size_t end = std::min(input.find('\n', begin), input.size());
    const std::string_view line = std::string_view(input).substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    const EmbeddingInput one{.text = std::string(line)};
    if (embedding_ids(*loaded.text.tokenizer, one).empty()) {
      return fail(ErrorKind::invalid_argument,
                  "line {} of standard input is empty: it has no tokens to embed", line_number);
    }
    auto embedding = embed(*loaded.engine, *loaded.text.tokenizer, one, embedding_options);
    if (!embedding && embedding.error().kind == ErrorKind::bad_numbers) {
      return fail(ErrorKind::bad_numbers, "{}: line {} gives no numbers; the weights are damaged",
                  loaded.path, line_number);
    }
    if (!embedding) return embedding.error();
    const std::vector<float>& vector = embedding->vector;
    std::string text = as_json && line_number > 1 ? ",[" : "[";
    for (size_t i = 0; i < vector.size(); ++i) {
      text += fmt::format("{}{}", i > 0 ? "," : "", vector[i]);
    }
    TRY_STATUS(print(text + (as_json ? "]" : "]\n")));
  }
  if (as_json) TRY_STATUS(print("]}\n"));
  return 0;
}

}  // namespace

const Command kEmbed = {
    .name = "embed",
    .usage = "usage: jiang embed MODEL [OPTIONS] < LINES",
    .summary = "a vector for each line of stdin, as JSON",
    .examples =
        "  printf 'a cat\\na dog\\n' | jiang embed bge-small.gguf\n"
        "  jiang embed model.gguf --pool mean --normalize < lines.txt",
    .run = run_embed,
};

}  // namespace jiang
