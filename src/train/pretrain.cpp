#include "train/pretrain.h"

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"
#include "base/quantity.h"
#include "text/tokenizer.h"
#include "train/model_folder.h"
#include "train/new_model.h"
#include "train/token_data.h"

namespace jiang {
namespace {

constexpr const char* kEndOfText = "<|endoftext|>";

// Each document and the token that ends it.
std::vector<Example> encode_documents(const std::vector<Document>& documents,
                                      const Tokenizer& tokenizer, TokenId end, bool specials,
                                      ThreadPool& pool) {
  std::vector<Example> examples(documents.size());
  std::atomic<size_t> next{0};
  pool.run([&](int) {
    for (size_t i = next.fetch_add(1); i < documents.size(); i = next.fetch_add(1)) {
      examples[i].tokens = tokenizer.encode(documents[i].text, {.parse_specials = specials});
      examples[i].tokens.push_back(end);
      examples[i].counts.assign(examples[i].tokens.size(), 1);
    }
  });
  return examples;
}

size_t count_tokens(const std::vector<Example>& examples) {
  size_t n = 0;
  for (const Example& example : examples) n += example.tokens.size();
  return n;
}

Format format_of(const std::string& dtype) { return find_weight_format(dtype)->id; }

}  // namespace

Result<TrainingReport> pretrain(TrainRecipe recipe, ThreadPool& pool,
                                const RunCallbacks& callbacks) {
  const std::string tokenizer_folder =
      is_directory(recipe.tokenizer)
          ? recipe.tokenizer
          : std::filesystem::path(recipe.tokenizer).parent_path().string();
  TRY(const TextAssets assets, load_text_assets(recipe.tokenizer));
  const Tokenizer& tokenizer = *assets.tokenizer;
  const std::optional<TokenId> end_of_text =
      tokenizer.find(kEndOfText) ? tokenizer.find(kEndOfText) : tokenizer.eos();
  if (!end_of_text) {
    return fail(ErrorKind::bad_file, "{}: the tokenizer has no {} and no eos token to end texts",
                recipe.tokenizer, kEndOfText);
  }
  std::vector<BadLine> bad;
  TRY(const auto documents, read_documents(recipe.train_files, bad));
  TRY(const auto held_out_documents, read_documents(recipe.held_out_files, bad));
  if (!bad.empty() && callbacks.note) callbacks.note(describe_bad_lines(bad));
  if (documents.empty()) {
    return fail(ErrorKind::invalid_argument, "{}: data.train holds no text", recipe.path);
  }
  const auto encode = [&](const std::vector<Document>& from) {
    return encode_documents(from, tokenizer, *end_of_text, recipe.parses_specials, pool);
  };
  std::vector<Example> examples = encode(documents);
  std::vector<Example> held_out = encode(held_out_documents);

  Json& config = recipe.model_config;
  config["vocab_size"] = tokenizer.vocab_size();
  config["bos_token_id"] = *end_of_text;
  config["eos_token_id"] = tokenizer.eos().value_or(*end_of_text);
  config["torch_dtype"] = recipe.dtype == "f32"    ? "float32"
                          : recipe.dtype == "bf16" ? "bfloat16"
                                                   : "float16";
  TRY(const int64_t context, get_int(config, "max_position_embeddings", recipe.path));
  if (recipe.sequence_length > context) {
    return fail(ErrorKind::invalid_argument,
                "{}: train.sequence_length is {}, model.max_position_embeddings only {}",
                recipe.path, recipe.sequence_length, context);
  }
  // While it begins, a weight is there as it was drawn, packed, and as a parameter with its
  // gradient and two moments.
  TRY(const uint64_t n_weights, count_new_model(config));
  const uint64_t limit = recipe.trainer.memory_limit;
  if (limit > 0 && n_weights * 6 > limit / sizeof(float)) {
    return fail(ErrorKind::too_large,
                "{}: a model of {:.1f} M parameters needs {} to be trained, {} are free",
                recipe.path, static_cast<double>(n_weights) / 1e6,
                human_bytes(n_weights * 6 * sizeof(float)), human_bytes(limit));
  }
  if (limit > 0) recipe.trainer.memory_limit = limit - n_weights * 2 * sizeof(float);
  ParameterSet parameters;
  TRY(const auto source, make_new_model(config, recipe.trainer.seed));
  TRY(const auto model, load_model(source, pool));
  parameters.add_all(*model, pool);
  if (callbacks.note) {
    callbacks.note(fmt::format(
        "{:.2f} M parameters; {} documents, {:.2f} M tokens to learn from, {:.2f} M held out",
        static_cast<double>(parameters.count()) / 1e6, documents.size(),
        static_cast<double>(count_tokens(examples)) / 1e6,
        static_cast<double>(count_tokens(held_out)) / 1e6));
  }

  TokenDataOptions data{.packing = Packing::stream,
                        .sequence_length = recipe.sequence_length,
                        .batch_rows = recipe.tokens_per_batch,
                        .seed = recipe.trainer.seed};
  const auto objective = make_token_objective(std::move(examples), data);
  data.shuffles = false;
  std::unique_ptr<Objective> evaluation;
  if (!held_out.empty()) evaluation = make_token_objective(std::move(held_out), data);

  Trainer trainer(*model, parameters, *objective, evaluation.get(), pool, recipe.out,
                  recipe.trainer);
  trainer.go_on = callbacks.progress;
  trainer.save_model = [&]() -> Status {
    TRY_STATUS(
        write_weights(recipe.out + "/model.safetensors", parameters, format_of(recipe.dtype)));
    TRY_STATUS(write_file(recipe.out + "/config.json", to_string(config, 2) + "\n"));
    Json generation = {{"bos_token_id", *end_of_text}, {"do_sample", true}};
    Json ends = Json::array();
    for (const TokenId id : tokenizer.end_ids()) ends.push_back(id);
    if (std::find(ends.begin(), ends.end(), Json(*end_of_text)) == ends.end())
      ends.push_back(*end_of_text);
    generation["eos_token_id"] = ends;
    TRY_STATUS(write_file(recipe.out + "/generation_config.json", to_string(generation, 2) + "\n"));
    return copy_tokenizer_files(tokenizer_folder, recipe.out);
  };
  return trainer.run();
}

}  // namespace jiang
