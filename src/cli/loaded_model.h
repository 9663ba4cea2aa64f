// A model as commands use it: found, opened, packed, with its tokenizer and an engine, and the
// compute threads of the command.
#pragma once

#include <memory>
#include <string>

#include "cli/model_flags.h"
#include "runtime/local_model.h"

namespace jiang {

struct OwnThreads {
  std::unique_ptr<ThreadPool> pool;
};
// Destroyed bottom up: the engine before the model, the threads last.
struct LoadedModel : OwnThreads, LocalModel {};

// For `evaluate` alone: no room is kept for requests that never come.
EngineOptions evaluation_engine_options();

// All of it. Shows progress on a terminal.
Result<LoadedModel> load(const ModelFlags& flags, EngineOptions engine_options,
                         WantedKind kind = WantedKind::decoder);

}  // namespace jiang
