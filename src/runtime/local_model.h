// A model's files -> something that runs: found, opened, packed, with its tokenizer and an engine.
// The CLI's commands and the ModelManager load through here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "hub/manifest.h"
#include "model/model.h"
#include "text/tokenizer.h"
#include "weights/adapter_file.h"
#include "weights/tensor_source.h"

namespace jiang {

// Destroyed bottom up: the engine before the model that it works with.
struct LocalModel {
  std::string path;
  std::shared_ptr<const TensorSource> source;
  std::shared_ptr<const Model> model;
  TextAssets text;
  ModelSettings settings;  // that lie beside the weights: template, parameters
  std::unique_ptr<Engine> engine;
};

// An encoder (BERT) has no next token; where one is needed, the error names `jiang embed`.
enum class WantedKind : uint8_t { any, decoder };

struct LocalModelOptions {
  EngineOptions engine = {};
  int32_t context = 0;  // as --ctx asks for it; 0: as its settings or `engine` say
  WantedKind kind = WantedKind::any;
  std::vector<AdapterReference> adapters = {};  // loaded with the model; all are on by default
  // A smaller model of the same vocabulary that guesses for it (engine/draft_model.h). Null: none.
  std::shared_ptr<const TensorSource> draft = {};
  std::function<void(uint64_t, uint64_t)> progress = {};  // bytes packed, bytes in all
  std::function<void(const std::string&)> note = {};      // packed weights could not be kept: why
};

// Finds and opens the file; refuses, with numbers, what cannot fit into memory.
Result<std::shared_ptr<const TensorSource>> open_model(const std::string& reference);
uint64_t weight_file_bytes(const TensorSource& source);

// Where load_local_model() keeps and looks for packed weights.
std::string packed_weights_folder();
struct KeptWeights {
  std::string path;
  uint64_t bytes = 0;
};
// Packs the weights into that folder ahead of the first load_local_model(). An error if they cannot
// be kept, or are too small to be.
Result<KeptWeights> keep_packed_weights(std::shared_ptr<const TensorSource> source,
                                        ThreadPool& pool,
                                        std::function<void(uint64_t, uint64_t)> progress);

// The tokenizer and template that lie in or beside the weights.
Result<TextAssets> text_assets_of(const TensorSource& source);
// The text side of a model, or of a file or folder that holds only a tokenizer.
Result<TextAssets> load_tokenizer(const std::string& reference);

// A draft model's guesses are tokens of the model: fails, and says which differs, where the same id
// is another token. Padding behind the last token may differ.
Status check_same_vocabulary(const Tokenizer& model, const Tokenizer& draft);

// `pool` outlives the result.
Result<LocalModel> load_local_model(std::shared_ptr<const TensorSource> source, ThreadPool& pool,
                                    const LocalModelOptions& options);

}  // namespace jiang
