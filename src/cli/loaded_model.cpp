#include "cli/loaded_model.h"

#include "cli/output.h"

namespace jiang {

EngineOptions evaluation_engine_options() {
  EngineOptions options;
  options.max_sequences = 1;
  options.prefix_cache = false;
  return options;
}

Result<LoadedModel> load(const ModelFlags& flags, EngineOptions engine_options, WantedKind kind) {
  TRY(auto source, open_model(flags.model));
  LoadedModel loaded;
  loaded.pool = std::make_unique<ThreadPool>(thread_count(flags.threads));
  ProgressLine progress("loading");
  LocalModelOptions options{.engine = engine_options, .context = flags.context, .kind = kind};
  TRY(options.adapters, parse_adapters(flags.lora));
  if (!flags.draft.empty()) {
    TRY(options.draft, open_model(flags.draft));
  }
  if (const auto type = kv_type_named(flags.kv_type))
    options.engine.kv_type = options.engine.evaluation_kv_type = *type;
  options.note = [](const std::string& text) { note(text); };
  options.progress = [&](uint64_t done, uint64_t total) { progress.update(done, total); };
  TRY(static_cast<LocalModel&>(loaded), load_local_model(std::move(source), *loaded.pool, options));
  return loaded;
}

}  // namespace jiang
