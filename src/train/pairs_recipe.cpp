#include "train/pairs_recipe.h"

#include <algorithm>
#include <filesystem>

#include "train/recipe_reader.h"

namespace jiang {

Result<PairsRecipe> read_pairs_recipe(const std::string& path) {
  TRY(const TomlDocument document, parse_toml_file(path));
  PairsRecipe recipe;
  recipe.path = path;
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const auto absolute = [&](const std::string& name) {
    return name.starts_with('/') || folder.empty() ? name : folder + "/" + name;
  };
  for (const auto& [key, value] : document.value.items()) {
    if (key == "model" || key == "data" || key == "pairs") continue;
    return fail(ErrorKind::invalid_argument,
                "{}:{}: {} is not known; the tables here are [model], [data] and [pairs]", path,
                document.line("/" + key), key);
  }
  RecipeTable model(document, "model", path);
  TRY(recipe.model_path, model.text("path"));
  recipe.model_path = absolute(recipe.model_path);
  TRY_STATUS(model.finish());
  RecipeTable data(document, "data", path);
  TRY(const auto prompts, data.texts("prompts", true));
  TRY_STATUS(data.finish());
  TRY(recipe.prompt_files, expand_paths(prompts, folder));
  RecipeTable pairs(document, "pairs", path);
  TRY(recipe.out, pairs.text("out"));
  recipe.out = absolute(recipe.out);
  TRY(recipe.samples, pairs.integer("samples", 4, 2, 1024));
  TRY(recipe.temperature, pairs.number("temperature", 0.8, 0.01, 5));
  TRY(recipe.top_p, pairs.number("top_p", 0.95, 0.01, 1));
  TRY(recipe.max_tokens, pairs.integer("max_tokens", 512, 1, 1 << 20));
  TRY(const int64_t seed, pairs.integer("seed", 0, 0, INT64_MAX));
  recipe.seed = static_cast<uint64_t>(seed);
  TRY(recipe.margin, pairs.number("margin", 0, 0, 1e9));
  TRY(recipe.seconds, pairs.number("seconds", 20, 0.1, 3600));
  TRY(recipe.scorer, pairs.texts("scorer", true));
  if (recipe.scorer.empty() || !recipe.scorer[0].starts_with('/')) {
    return pairs.refuse("scorer",
                        "begins with the absolute path of a program, for example "
                        "/usr/bin/python3");
  }
  TRY(const auto files, pairs.texts("files", false));
  if (!files.empty()) {
    TRY(recipe.files, expand_paths(files, folder));
  }
  TRY_STATUS(pairs.finish());
  return recipe;
}

Result<std::vector<PairPrompt>> read_pair_prompts(const std::vector<std::string>& paths,
                                                  std::vector<BadLine>& bad) {
  std::vector<PairPrompt> prompts;
  for (const std::string& path : paths) {
    TRY(auto lines, read_json_lines(path, bad));
    for (JsonLine& line : lines) {
      const Json* prompt = find_member(line.value, "prompt");
      PairPrompt entry;
      if (prompt && prompt->is_string()) {
        entry.messages = Json::array();
        entry.messages.push_back({{"role", "user"}, {"content", *prompt}});
      } else if (prompt && prompt->is_array() && !prompt->empty()) {
        entry.messages = *prompt;
      } else {
        bad.push_back({path, line.line, "\"prompt\" is neither text nor a list of messages"});
        continue;
      }
      entry.line = std::move(line);
      prompts.push_back(std::move(entry));
    }
  }
  return prompts;
}

Json best_and_worst(const Json& prompt, const std::vector<ScoredAnswer>& answers, double margin) {
  if (answers.empty()) return nullptr;
  const auto less = [](const ScoredAnswer& a, const ScoredAnswer& b) { return a.score < b.score; };
  const auto best = std::max_element(answers.begin(), answers.end(), less);
  const auto worst = std::min_element(answers.begin(), answers.end(), less);
  if (!(best->score - worst->score > margin) || best->text == worst->text) return nullptr;
  return {{"prompt", prompt},
          {"chosen", best->text},
          {"rejected", worst->text},
          {"chosen_score", best->score},
          {"rejected_score", worst->score}};
}

}  // namespace jiang
