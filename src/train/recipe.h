// Recipes: the TOML file of a training run. Every key is known, in range, or an error with its
// line; paths are relative to the recipe's folder.
//
//   [model]   what to train: hyperparameters of a new one, or `path` of one that is there
//   [data]    train = ["*.txt"], held_out = [...]
//   [train]   out, sequence_length, tokens_per_step, learning_rate, epochs ...
//   [lora]    rank, alpha, dropout, targets     (lora)
//   [dpo]     beta                              (dpo)
#pragma once

#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "train/trainer.h"

namespace jiang {

enum class RecipeKind : uint8_t { pretrain, sft, dpo, lora };

struct LoraRecipe {
  int64_t rank = 8;
  double alpha = 16;
  double dropout = 0;
  std::vector<std::string> targets;  // names of linears: "q_proj"; empty: all of the layers
};

struct TrainRecipe {
  std::string path;    // of the file, for messages
  std::string folder;  // that its paths are relative to
  std::string out;
  std::string model_path;  // of a model that is there
  Json model_config;       // of a new one: HF's config.json
  std::string tokenizer;   // pretrain: a folder or tokenizer.json
  std::vector<std::string> train_files;
  std::vector<std::string> held_out_files;
  int64_t sequence_length = 1024;
  int64_t tokens_per_batch = 1024;
  bool parses_specials = false;  // pretrain: special tokens in the text are tokens
  std::string dtype = "f32";     // of the weights that are written
  LoraRecipe lora;
  double dpo_beta = 0.1;
  TrainerOptions trainer;
};

Result<TrainRecipe> read_recipe(const std::string& path, RecipeKind kind);

// The config.json of a new model, from the table [model].
Result<Json> new_model_config(const Json& table, std::string_view where);

}  // namespace jiang
