#include "train/recipe.h"

#include <filesystem>

#include "train/documents.h"
#include "train/recipe_reader.h"

namespace jiang {
namespace {

constexpr const char* kTables[] = {"model", "data", "train", "lora", "dpo"};
constexpr int64_t kMost = int64_t{1} << 40;

std::string absolute_path(const std::string& path, const std::string& folder) {
  return path.empty() || path.starts_with('/') || folder.empty() ? path : folder + "/" + path;
}

// Keys of [model] for a new model, besides tokenizer.
constexpr const char* kConfigKeys[] = {"architecture",
                                       "hidden_size",
                                       "intermediate_size",
                                       "num_hidden_layers",
                                       "num_attention_heads",
                                       "num_key_value_heads",
                                       "max_position_embeddings",
                                       "rope_theta",
                                       "rms_norm_eps",
                                       "tie_word_embeddings",
                                       "head_dim"};

struct Family {
  const char* name;
  const char* architecture;
};
constexpr Family kFamilies[] = {
    {"qwen2", "Qwen2ForCausalLM"}, {"qwen3", "Qwen3ForCausalLM"}, {"llama", "LlamaForCausalLM"}};

Status read_train(RecipeTable& table, TrainRecipe& recipe, RecipeKind kind) {
  TrainerOptions& t = recipe.trainer;
  OptimizerOptions& o = t.optimizer;
  const bool tunes = kind != RecipeKind::pretrain;
  TRY(recipe.out, table.text("out"));
  recipe.out = absolute_path(recipe.out, recipe.folder);
  TRY(recipe.sequence_length, table.integer("sequence_length", 1024, 8, 1 << 20));
  TRY(recipe.tokens_per_batch,
      table.integer("tokens_per_batch", recipe.sequence_length, 1, 1 << 22));
  recipe.tokens_per_batch = std::max(recipe.tokens_per_batch, recipe.sequence_length);
  TRY(const int64_t per_step,
      table.integer("tokens_per_step", tunes ? 4096 : 16384, 1, int64_t{1} << 32));
  t.batches_per_step =
      std::max<int64_t>(1, (per_step + recipe.tokens_per_batch / 2) / recipe.tokens_per_batch);
  if (table.has("steps") && table.has("epochs"))
    return table.refuse("steps", "and epochs are both there: one of them says how long");
  TRY(t.steps, table.integer("steps", 0, 1, kMost));
  TRY(t.epochs, table.number("epochs", 1, 1e-6, 1e6));
  TRY(const double rate, table.number("learning_rate", tunes ? 1e-4 : 1e-3, 1e-9, 1));
  o.learning_rate = static_cast<float>(rate);
  TRY(const double least, table.number("min_learning_rate", rate / 10, 0, rate));
  o.min_learning_rate = static_cast<float>(least);
  TRY(t.warmup_steps, table.integer("warmup_steps", 0, 0, kMost));
  TRY(t.warmup_share, table.number("warmup_share", 0.02, 0, 1));
  TRY(const double decay, table.number("weight_decay", tunes ? 0.0 : 0.1, 0, 1));
  TRY(const double beta1, table.number("beta1", 0.9, 0, 0.999999));
  TRY(const double beta2, table.number("beta2", 0.95, 0, 0.9999999));
  TRY(const double eps, table.number("eps", 1e-8, 1e-12, 1));
  TRY(const double clip, table.number("clip", 1, 0, 1e9));
  o.weight_decay = static_cast<float>(decay);
  o.beta1 = static_cast<float>(beta1);
  o.beta2 = static_cast<float>(beta2);
  o.eps = static_cast<float>(eps);
  o.clip = static_cast<float>(clip);
  TRY(const int64_t seed, table.integer("seed", 0, 0, INT64_MAX));
  t.seed = static_cast<uint64_t>(seed);
  TRY(t.evaluate_every, table.integer("evaluate_every", 0, 0, kMost));
  TRY(t.checkpoint_minutes, table.number("checkpoint_minutes", 5, 0, 1e6));
  TRY(const bool checkpointing, table.flag("activation_checkpointing", false));
  t.mode = checkpointing ? TapeMode::checkpointing : TapeMode::remember_all;
  TRY(const std::string compute, table.text("compute", "auto"));
  if (compute != "auto" && compute != "f32" && compute != "bf16")
    return table.refuse("compute", "must be \"auto\", \"f32\" or \"bf16\"");
  t.compute = compute == "auto"   ? fastest_compute()
              : compute == "bf16" ? Compute::bf16
                                  : Compute::f32;
  TRY(recipe.dtype, table.text("dtype", "f32"));
  if (recipe.dtype != "f32" && recipe.dtype != "bf16" && recipe.dtype != "f16")
    return table.refuse("dtype", "must be \"f32\", \"bf16\" or \"f16\"");
  return table.finish();
}

}  // namespace

Result<TrainRecipe> read_recipe(const std::string& path, RecipeKind kind) {
  TRY(const TomlDocument document, parse_toml_file(path));
  TrainRecipe recipe;
  recipe.path = path;
  recipe.folder = std::filesystem::path(path).parent_path().string();
  for (const auto& [key, value] : document.value.items()) {
    if (std::find(std::begin(kTables), std::end(kTables), key) != std::end(kTables)) continue;
    return fail(ErrorKind::invalid_argument,
                "{}:{}: {} is not known; a recipe has the tables [model], [data], [train], [lora] "
                "and [dpo]",
                path, document.line("/" + key), key);
  }
  const auto only_for = [&](const char* name, RecipeKind of) -> Status {
    if (kind == of || !find_member(document.value, name)) return ok();
    return fail(ErrorKind::invalid_argument, "{}:{}: [{}] belongs to `jiang train {}`", path,
                document.line(std::string("/") + name), name, name);
  };
  TRY_STATUS(only_for("lora", RecipeKind::lora));
  TRY_STATUS(only_for("dpo", RecipeKind::dpo));

  RecipeTable model(document, "model", path);
  if (kind == RecipeKind::pretrain) {
    TRY(recipe.tokenizer, model.text("tokenizer"));
    recipe.tokenizer = absolute_path(recipe.tokenizer, recipe.folder);
    for (const char* key : kConfigKeys) model.allow(key);
    TRY_STATUS(model.finish());
    TRY(recipe.model_config, new_model_config(model.json(), path));
  } else {
    TRY(recipe.model_path, model.text("path"));
    recipe.model_path = absolute_path(recipe.model_path, recipe.folder);
    TRY_STATUS(model.finish());
  }

  RecipeTable data(document, "data", path);
  TRY(const auto train, data.texts("train", true));
  TRY(const auto held_out, data.texts("held_out", false));
  if (kind == RecipeKind::pretrain) {
    TRY(recipe.parses_specials, data.flag("parse_special_tokens", false));
  }
  TRY_STATUS(data.finish());
  TRY(recipe.train_files, expand_paths(train, recipe.folder));
  if (!held_out.empty()) {
    TRY(recipe.held_out_files, expand_paths(held_out, recipe.folder));
  }

  RecipeTable lora(document, "lora", path);
  TRY(recipe.lora.rank, lora.integer("rank", 8, 1, 4096));
  TRY(recipe.lora.alpha,
      lora.number("alpha", 2.0 * static_cast<double>(recipe.lora.rank), 1e-6, 1e6));
  TRY(recipe.lora.dropout, lora.number("dropout", 0, 0, 0.95));
  TRY(recipe.lora.targets, lora.texts("targets", false));
  TRY_STATUS(lora.finish());
  RecipeTable dpo(document, "dpo", path);
  TRY(recipe.dpo_beta, dpo.number("beta", 0.1, 1e-6, 100));
  TRY_STATUS(dpo.finish());

  RecipeTable table(document, "train", path);
  if (!table.is_there()) {
    return fail(ErrorKind::invalid_argument, "{}: the table [train] is missing", path);
  }
  TRY_STATUS(read_train(table, recipe, kind));
  // What changes the numbers of a run: the recipe without where it writes and how often.
  Json relevant = document.value;
  for (const char* key : {"out", "checkpoint_minutes", "evaluate_every", "dtype"})
    relevant["train"].erase(key);
  const std::string text = to_string(relevant);
  recipe.trainer.fingerprint = hash_bytes(std::as_bytes(std::span(text)));
  return recipe;
}

Result<Json> new_model_config(const Json& table, std::string_view where) {
  const auto refuse = [&](std::string_view key, std::string_view what) {
    return fail(ErrorKind::invalid_argument, "{}: model.{} {}", where, key, what);
  };
  TRY(const std::string family, get_string_or(table, "architecture", "qwen2", where));
  const auto* found = std::find_if(std::begin(kFamilies), std::end(kFamilies),
                                   [&](const Family& f) { return family == f.name; });
  if (found == std::end(kFamilies))
    return refuse("architecture", "is \"" + family + "\"; new models are qwen2, qwen3 or llama");
  const auto size = [&](const char* key) -> Result<int64_t> {
    TRY(const int64_t value, get_int(table, key, where));
    if (value < 1 || value > 1 << 20) return refuse(key, "must be a number from 1 to 1048576");
    return value;
  };
  TRY(const int64_t hidden, size("hidden_size"));
  TRY(const int64_t ffn, size("intermediate_size"));
  TRY(const int64_t layers, size("num_hidden_layers"));
  TRY(const int64_t heads, size("num_attention_heads"));
  TRY(const int64_t kv_heads, get_int_or(table, "num_key_value_heads", heads, where));
  TRY(const int64_t context, get_int_or(table, "max_position_embeddings", 2048, where));
  TRY(const double theta, get_number_or(table, "rope_theta", 10000.0, where));
  TRY(const double eps, get_number_or(table, "rms_norm_eps", 1e-6, where));
  TRY(const bool tied, get_bool_or(table, "tie_word_embeddings", true, where));
  Json config = {{"architectures", Json::array({found->architecture})},
                 {"model_type", found->name},
                 {"hidden_size", hidden},
                 {"intermediate_size", ffn},
                 {"num_hidden_layers", layers},
                 {"num_attention_heads", heads},
                 {"num_key_value_heads", kv_heads},
                 {"max_position_embeddings", context},
                 {"hidden_act", "silu"},
                 {"rms_norm_eps", eps},
                 {"rope_theta", theta},
                 {"tie_word_embeddings", tied},
                 {"attention_dropout", 0.0},
                 {"initializer_range", 0.02},
                 {"use_cache", true}};
  if (table.contains("head_dim")) {
    TRY(config["head_dim"], size("head_dim"));
  } else if (hidden % heads != 0) {
    return refuse("num_attention_heads", "does not divide hidden_size");
  }
  if (heads % std::max<int64_t>(kv_heads, 1) != 0 || kv_heads < 1)
    return refuse("num_key_value_heads", "does not divide num_attention_heads");
  if (family == "qwen2") {
    config["use_sliding_window"] = false;
  } else if (family == "llama") {
    config["attention_bias"] = false;
    config["mlp_bias"] = false;
  } else {
    config["attention_bias"] = false;
    if (!config.contains("head_dim")) config["head_dim"] = hidden / heads;
  }
  return config;
}

}  // namespace jiang
