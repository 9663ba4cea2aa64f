// The recipe of `jiang train pairs`: which model answers which prompts, and which program scores
// the answers.
#pragma once

#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "train/documents.h"

namespace jiang {

//   [model]  path
//   [data]   prompts = ["prompts.jsonl"]      lines with "prompt": text or messages; the rest of
//   the
//                                             line is the scorer's to read
//   [pairs]  out, samples, temperature, top_p, max_tokens, seed, margin,
//            scorer = ["/usr/bin/python3", "score.py"], files = ["score.py"], seconds
struct PairsRecipe {
  std::string path;
  std::string model_path;
  std::vector<std::string> prompt_files;
  std::string out;
  int64_t samples = 4;
  double temperature = 0.8;
  double top_p = 0.95;
  int64_t max_tokens = 512;
  uint64_t seed = 0;
  double margin = 0;                // pairs differ by more than this
  std::vector<std::string> scorer;  // argv; the program by its absolute path
  std::vector<std::string> files;   // copied beside each other into the scorer's box
  double seconds = 20;              // that one score may take
};
Result<PairsRecipe> read_pairs_recipe(const std::string& path);

// A prompt and the line that it came from.
struct PairPrompt {
  Json messages;
  JsonLine line;
};
Result<std::vector<PairPrompt>> read_pair_prompts(const std::vector<std::string>& paths,
                                                  std::vector<BadLine>& bad);

struct ScoredAnswer {
  std::string text;
  double score = 0;
};
// The best and the worst of the answers as a line of preferences; null if they do not differ by
// more than `margin`. Of equals the first counts.
Json best_and_worst(const Json& prompt, const std::vector<ScoredAnswer>& answers, double margin);

}  // namespace jiang
