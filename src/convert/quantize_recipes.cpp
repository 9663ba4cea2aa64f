#include "convert/quantize_recipes.h"

#include <algorithm>
#include <iterator>

namespace jiang {
namespace {

// clang-format off
constexpr Recipe kRecipes[] = {
    {"f32",    Format::f32,     0},
    {"f16",    Format::f16,     1},
    {"bf16",   Format::bf16,   32},
    {"q8_0",   Format::q8_0,    7},
    {"q6_k",   Format::q6_k,   18},
    {"q5_k_m", Format::q5_k,   17},
    {"q5_k_s", Format::q5_k,   16},
    {"q5_1",   Format::q5_1,    9},
    {"q5_0",   Format::q5_0,    8},
    {"q4_k_m", Format::q4_k,   15},
    {"q4_k_s", Format::q4_k,   14},
    {"q4_1",   Format::q4_1,    3},
    {"q4_0",   Format::q4_0,    2},
    {"iq4_nl", Format::iq4_nl, 25},
    {"iq4_xs", Format::iq4_xs, 30},
    {"mxfp4",  Format::mxfp4,  38},
    {"q3_k_l", Format::q3_k,   13},
    {"q3_k_m", Format::q3_k,   12},
    {"q3_k_s", Format::q3_k,   11},
    {"q2_k",   Format::q2_k,   10},
    {"q2_k_s", Format::q2_k,   21},
};

constexpr RecipeAlias kAliases[] = {
    {"sym_int4", "q4_0"}, {"asym_int4", "q4_1"}, {"sym_int5", "q5_0"}, {"asym_int5", "q5_1"},
    {"sym_int8", "q8_0"}, {"fp16", "f16"},       {"fp32", "f32"},
    {"q3_k", "q3_k_m"},   {"q4_k", "q4_k_m"},    {"q5_k", "q5_k_m"},
};

enum class When {
  always,
  more_bits,         // the first and last eighth of the layers, and every third between
  first_2, first_4,  // layers
  first_16th, first_8th,
  first_8th_alone,          // without an importance matrix
  first_8th_with_matrix,
  many_heads_per_kv,        // >= 4: attn_v is small and shared by many heads
};

// The first row that fits a tensor decides; without one it gets the recipe's base.
struct Exception {
  const char* recipe;
  const char* tensor;  // part of its name
  When when;
  Format format;
};
constexpr Exception kExceptions[] = {
    {"q2_k",   "attn_v.weight",      When::many_heads_per_kv,     Format::q4_k},
    {"q2_k",   "attn_v.weight",      When::always,                Format::q3_k},
    {"q2_k",   "ffn_down",           When::always,                Format::q3_k},
    {"q2_k",   "attn_output.weight", When::always,                Format::q3_k},
    {"q2_k_s", "attn_v.weight",      When::many_heads_per_kv,     Format::q4_k},
    {"q2_k_s", "ffn_down",           When::first_8th,             Format::q4_k},
    {"q3_k_m", "attn_v.weight",      When::first_2,               Format::q5_k},
    {"q3_k_m", "attn_v.weight",      When::always,                Format::q4_k},
    {"q3_k_m", "ffn_down",           When::first_16th,            Format::q5_k},
    {"q3_k_m", "ffn_down",           When::always,                Format::q4_k},
    {"q3_k_m", "attn_output.weight", When::always,                Format::q4_k},
    {"q3_k_m", "attn_qkv.weight",    When::always,                Format::q4_k},
    {"q3_k_l", "attn_v.weight",      When::always,                Format::q5_k},
    {"q3_k_l", "ffn_down",           When::always,                Format::q5_k},
    {"q3_k_l", "attn_output.weight", When::always,                Format::q5_k},
    {"q3_k_l", "attn_qkv.weight",    When::always,                Format::q4_k},
    {"q4_k_s", "attn_v.weight",      When::first_4,               Format::q5_k},
    {"q4_k_s", "ffn_down",           When::first_8th,             Format::q5_k},
    {"q4_k_m", "attn_v.weight",      When::more_bits,             Format::q6_k},
    {"q4_k_m", "ffn_down",           When::more_bits,             Format::q6_k},
    {"q4_k_m", "attn_qkv.weight",    When::always,                Format::q5_k},
    {"q5_k_m", "attn_v.weight",      When::more_bits,             Format::q6_k},
    {"q5_k_m", "ffn_down",           When::more_bits,             Format::q6_k},
    {"q5_k_m", "attn_qkv.weight",    When::always,                Format::q6_k},
    {"iq4_nl", "attn_v.weight",      When::many_heads_per_kv,     Format::q5_k},
    {"iq4_nl", "ffn_down",           When::first_8th_alone,       Format::q5_k},
    {"iq4_xs", "attn_v.weight",      When::many_heads_per_kv,     Format::q5_k},
    {"iq4_xs", "ffn_down",           When::first_8th_alone,       Format::q5_k},
    {"q4_0",   "ffn_down",           When::first_8th_with_matrix, Format::q4_1},
    {"q5_0",   "ffn_down",           When::first_8th_with_matrix, Format::q5_1},
};
// clang-format on

bool applies(When when, const TensorPlace& place) {
  const int layer = place.layer, n = place.n_layers;
  switch (when) {
    case When::always:
      return true;
    case When::more_bits:
      return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
    case When::first_2:
      return layer < 2;
    case When::first_4:
      return layer < 4;
    case When::first_16th:
      return layer < n / 16;
    case When::first_8th:
      return layer < n / 8;
    case When::first_8th_alone:
      return layer < n / 8 && !place.has_importance;
    case When::first_8th_with_matrix:
      return layer < n / 8 && place.has_importance;
    case When::many_heads_per_kv:
      return place.heads_per_kv >= 4;
  }
  return false;
}

bool divides(Format format, int64_t cols) { return cols % weight_format(format).block_size == 0; }

Format wanted(const Recipe& recipe, const TensorPlace& place) {
  const Format base = recipe.base;
  if (weight_format(base).is_float()) return base;
  if (place.serves_as_output) {
    return base == Format::q8_0 || base == Format::mxfp4 ? Format::q8_0 : Format::q6_k;
  }
  for (const Exception& exception : kExceptions) {
    if (std::string_view(recipe.name) != exception.recipe) continue;
    if (place.name.find(exception.tensor) == std::string_view::npos) continue;
    if (!applies(exception.when, place)) continue;
    return exception.format;
  }
  return base;
}

// A 70B model has 80 layers and 8 heads on each key and value head: attn_v is so small that more
// bits there cost next to nothing.
Format widen_for_70b(Format format, const TensorPlace& place) {
  const bool is_70b = place.n_layers == 80 && place.heads_per_kv == 8;
  const bool is_narrow = format == Format::q3_k || format == Format::q4_k;
  const bool is_v = place.name.find("attn_v.weight") != std::string_view::npos;
  return is_70b && is_narrow && is_v ? Format::q5_k : format;
}

// What stands in for super-blocks of 256 where they do not divide a row.
Format fallback_of(Format format) {
  switch (format) {
    case Format::q2_k:
    case Format::q3_k:
    case Format::iq4_xs:
      return Format::iq4_nl;
    case Format::q4_k:
      return Format::q5_0;
    case Format::q5_k:
      return Format::q5_1;
    case Format::q6_k:
      return Format::q8_0;
    default:
      return Format::f16;
  }
}

}  // namespace

std::span<const Recipe> recipes() { return kRecipes; }
std::span<const RecipeAlias> recipe_aliases() { return kAliases; }

const Recipe* find_recipe(std::string_view name) {
  for (const RecipeAlias& alias : kAliases) {
    if (alias.name == name) name = alias.recipe;
  }
  const auto* found = std::find_if(std::begin(kRecipes), std::end(kRecipes),
                                   [&](const Recipe& recipe) { return recipe.name == name; });
  return found == std::end(kRecipes) ? nullptr : found;
}

FormatChoice choose_format(const Recipe& recipe, const TensorPlace& place, bool pure) {
  Format format = pure ? recipe.base : widen_for_70b(wanted(recipe, place), place);
  if (divides(format, place.cols)) return {format, false};
  format = fallback_of(format);
  return {divides(format, place.cols) ? format : Format::f16, true};
}

bool is_quantizable(std::string_view gguf_name) {
  return gguf_name.ends_with(".weight") && gguf_name != "position_embd.weight" &&
         gguf_name != "token_types.weight" && gguf_name.find("_norm.") == std::string_view::npos &&
         gguf_name.find("ffn_gate_inp.") == std::string_view::npos;
}

}  // namespace jiang
