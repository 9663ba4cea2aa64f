// A model as commands use it: found, opened, packed, with its tokenizer and an engine.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"
#include "cli/model_flags.h"
#include "engine/engine.h"
#include "hub/manifest.h"
#include "model/model.h"
#include "text/tokenizer.h"
#include "weights/tensor_source.h"

namespace jiang {

// Destroyed bottom up: the engine before the model and the pool that it works with.
struct LoadedModel {
  std::string path;
  std::shared_ptr<const TensorSource> source;
  std::unique_ptr<ThreadPool> pool;
  std::shared_ptr<const Model> model;
  TextAssets text;
  ModelSettings settings;  // of a model that `jiang create` made
  std::unique_ptr<Engine> engine;
};

// Finds and opens the file; refuses, with numbers, what cannot fit into memory.
Result<std::shared_ptr<const TensorSource>> open_model(const std::string& reference);
// The tokenizer and template that lie in or beside the weights.
Result<TextAssets> text_assets_of(const TensorSource& source);

// The text side of a model, or of a file or folder that holds only a tokenizer.
Result<TextAssets> load_tokenizer(const std::string& reference);

// For `evaluate` alone: no room is kept for requests that never come.
EngineOptions evaluation_engine_options();

// An encoder (BERT) has no next token; where one is needed, the error names `jiang embed`.
enum class ModelKind { any, decoder };

// All of it. Shows progress on a terminal.
Result<LoadedModel> load(const ModelFlags& flags, EngineOptions engine_options,
                         ModelKind kind = ModelKind::decoder);

}  // namespace jiang
