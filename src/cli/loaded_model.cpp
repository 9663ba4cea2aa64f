#include "cli/loaded_model.h"

#include <algorithm>

#include "base/machine.h"
#include "base/quantity.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "hub/store.h"

namespace jiang {

Result<std::shared_ptr<const TensorSource>> open_model(const std::string& reference) {
  TRY(const std::string path, find_model(reference));
  TRY(auto source, open_tensor_source(path));
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : source->tensors()) bytes += tensor.bytes.size();
  const Machine machine = inspect_machine();
  if (machine.memory_bytes > 0 && bytes > machine.memory_bytes) {
    return fail(ErrorKind::too_large,
                "{}: the weights alone need {}, this machine grants {}; choose a smaller model or "
                "a smaller type (jiang quantize)",
                path, human_bytes(bytes), human_bytes(machine.memory_bytes));
  }
  return source;
}

Result<TextAssets> text_assets_of(const TensorSource& source) {
  TRY(TextAssets assets, source.metadata() ? load_text_assets(*source.metadata(), source.path())
                                           : load_text_assets(source.path()));
  TRY(ModelSettings settings, settings_beside(source.path()));
  if (!settings.chat_template.empty()) assets.chat_template = std::move(settings.chat_template);
  return assets;
}

Result<TextAssets> load_tokenizer(const std::string& reference) {
  TRY(const std::string path, find_model(reference));
  const std::string_view suffix = ".gguf";
  const bool is_gguf =
      path.size() > suffix.size() && path.substr(path.size() - suffix.size()) == suffix;
  if (!is_gguf) return load_text_assets(path);
  TRY(const auto source, open_tensor_source(path));
  return text_assets_of(*source);
}

EngineOptions evaluation_engine_options() {
  EngineOptions options;
  options.max_sequences = 1;
  options.prefix_cache = false;
  return options;
}

Result<LoadedModel> load(const ModelFlags& flags, EngineOptions engine_options, ModelKind kind) {
  LoadedModel loaded;
  TRY(loaded.source, open_model(flags.model));
  loaded.path = loaded.source->path();
  TRY(loaded.text, text_assets_of(*loaded.source));
  TRY(loaded.settings, settings_beside(loaded.path));
  int32_t context = flags.context;
  for (const auto& [name, value] : loaded.settings.parameters) {
    if (name == "num_ctx" && flags.context == 0) context = std::atoi(value.c_str());
  }
  loaded.pool = std::make_unique<ThreadPool>(thread_count(flags.threads));
  {
    ProgressLine progress("loading");
    LoadOptions options;
    options.context_length = context;
    options.progress = [&](uint64_t done, uint64_t total) { progress.update(done, total); };
    TRY(loaded.model, load_model(loaded.source, *loaded.pool, options));
  }
  if (kind == ModelKind::decoder && loaded.model->config().is_encoder) {
    return fail(ErrorKind::invalid_argument,
                "{} is an encoder: it turns text into vectors and writes none; use 'jiang embed'",
                loaded.path);
  }
  if (context > 0) {
    const int32_t trained = loaded.model->config().max_position_embeddings;
    if (trained > 0 && context > trained) {
      return fail(ErrorKind::invalid_argument,
                  "--ctx {} is more than the {} tokens that {} was trained for; give at most that",
                  context, trained, loaded.path);
    }
    engine_options.context = context;
  }
  if (const auto type = kv_type_named(flags.kv_type))
    engine_options.kv_type = engine_options.evaluation_kv_type = *type;
  TRY(loaded.engine, Engine::create(loaded.model, *loaded.pool, engine_options));
  return loaded;
}

}  // namespace jiang
