// Recipes: which format each tensor gets. One row per recipe, one row per exception, after
// llama.cpp's llama-quantize, so that a q4_k_m of ours is what people know by that name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "quant/weight_format.h"

namespace jiang {

struct Recipe {
  const char* name;
  Format base;
  uint32_t file_type;  // general.file_type
};

std::span<const Recipe> recipes();
const Recipe* find_recipe(std::string_view name);  // lower case; other names too

// Other names of recipes: IPEX-LLM's, and what llama-quantize takes.
struct RecipeAlias {
  const char* name;
  const char* recipe;
};
std::span<const RecipeAlias> recipe_aliases();

// What a recipe looks at, for one matrix of a model.
struct TensorPlace {
  std::string_view name = {};  // GGUF spelling
  int64_t cols = 0;
  int layer = -1;  // of "blk.N."
  int n_layers = 0;
  int64_t heads_per_kv = 1;       // query heads that share one key and value head
  bool serves_as_output = false;  // the output matrix, or embeddings of a model without one
  bool has_importance = false;
};

struct FormatChoice {
  Format format;
  bool fallback = false;  // the blocks of what the recipe wants do not divide the row
};

// `pure`: the base format for every matrix.
FormatChoice choose_format(const Recipe& recipe, const TensorPlace& place, bool pure);

// False for matrices that stay floats in every recipe: positions and token types are small, and
// looked up, not multiplied.
bool is_quantizable(std::string_view gguf_name);

}  // namespace jiang
