// A model as commands use it: found, opened, packed, with its text side and an engine.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"
#include "chat/chat.h"
#include "cli/options.h"
#include "engine/engine.h"
#include "model/model.h"
#include "text/tokenizer.h"
#include "weights/tensor_source.h"

namespace jiang {

// The flags of every command that loads a model.
struct ModelFlags {
  std::string model;
  int32_t threads = 0;  // 0: one per physical core within the cgroup's quota
  int32_t context = 0;  // 0: min(trained, 8192)

  void add_to(Options& options);          // -t, -c
  void add_threads_to(Options& options);  // -t alone
};

// Destroyed bottom up: the engine before the model and the pool that it works with.
struct LoadedModel {
  std::string path;
  std::shared_ptr<const TensorSource> source;
  std::unique_ptr<ThreadPool> pool;
  std::shared_ptr<const Model> model;
  std::optional<ChatModel> chat;
  std::unique_ptr<Engine> engine;
};

// Finds and opens the file; refuses, with numbers, what cannot fit into memory.
Result<std::shared_ptr<const TensorSource>> open_model(const std::string& reference);
// The tokenizer and template that lie in or beside the weights.
Result<TextAssets> text_assets_of(const TensorSource& source);

int thread_count(int32_t wanted);

// All of it. Shows progress on a terminal. Without `engine_options.max_sequences` set by the
// caller one user is served.
Result<LoadedModel> load(const ModelFlags& flags, EngineOptions engine_options);

}  // namespace jiang
