#include "runtime/local_model.h"

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>

#include "base/json_value.h"
#include "base/machine.h"
#include "base/quantity.h"
#include "base/threads.h"
#include "hub/model_ref.h"
#include "hub/store.h"
#include "model/packed_cache.h"

namespace jiang {
namespace {

// The bytes of a token; "" of one that is not there, and of the padding that converters add up to
// the number of rows of a matrix.
std::string token_text(const Tokenizer& tokenizer, TokenId id) {
  if (id >= tokenizer.vocab_size()) return {};
  std::string text = tokenizer.token_bytes(id);
  return text == fmt::format("[PAD{}]", id) ? std::string() : text;
}

std::string quoted(const std::string& bytes) {
  return bytes.empty() ? "nothing" : to_string(Json(bytes));
}

Status check_draft(const TensorSource& draft, const Tokenizer& tokenizer) {
  TRY(const TextAssets text, text_assets_of(draft));
  if (const auto same = check_same_vocabulary(tokenizer, *text.tokenizer); !same)
    return fail(same.error().kind, "{}: {}", draft.path(), same.error().message);
  return ok();
}

}  // namespace

Result<std::shared_ptr<const TensorSource>> open_model(const std::string& reference) {
  TRY(const std::string path, find_model(reference));
  TRY(auto source, open_tensor_source(path));
  const uint64_t bytes = weight_file_bytes(*source);
  const Machine machine = inspect_machine();
  if (machine.memory_bytes > 0 && bytes > machine.memory_bytes) {
    return fail(ErrorKind::too_large,
                "{}: the weights alone need {}, this machine grants {}; choose a smaller model or "
                "a smaller type (jiang quantize)",
                path, human_bytes(bytes), human_bytes(machine.memory_bytes));
  }
  return source;
}

uint64_t weight_file_bytes(const TensorSource& source) {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : source.tensors()) bytes += tensor.bytes.size();
  return bytes;
}

std::string packed_weights_folder() { return jiang_home() + "/cache/packed"; }

Result<KeptWeights> keep_packed_weights(std::shared_ptr<const TensorSource> source,
                                        ThreadPool& pool,
                                        std::function<void(uint64_t, uint64_t)> progress) {
  LoadOptions options;
  options.packed_folder = packed_weights_folder();
  options.must_keep_packed = true;
  options.progress = std::move(progress);
  TRY_STATUS(load_model(source, pool, options));
  KeptWeights kept;
  kept.path = PackedWeights::path_for(*source, options.packed_folder);
  std::error_code error;
  kept.bytes = std::filesystem::file_size(kept.path, error);
  if (error) return fail(ErrorKind::io, "{}: {}", kept.path, error.message());
  return kept;
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

Status check_same_vocabulary(const Tokenizer& model, const Tokenizer& draft) {
  const int32_t n = std::max(model.vocab_size(), draft.vocab_size());
  for (TokenId id = 0; id < n; ++id) {
    const std::string own = token_text(model, id);
    const std::string theirs = token_text(draft, id);
    if (own == theirs) continue;
    return fail(ErrorKind::invalid_argument,
                "the draft model has another vocabulary ({} tokens, the model has {}): token {} is "
                "{} there and {} in the model; give a draft of the same family",
                draft.vocab_size(), model.vocab_size(), id, quoted(theirs), quoted(own));
  }
  return ok();
}

namespace {

// text_assets_of() a source, on a thread of its own where the system gives one.
class TextReader {
 public:
  explicit TextReader(const TensorSource& source) {
    const auto read = [this, &source] {
      try {
        assets_ = text_assets_of(source);
      } catch (...) {
        failure_ = std::current_exception();
      }
    };
    if (!thread_.start(read)) read();
  }

  // Valid as long as this. Throws what reading threw.
  Result<const TextAssets*> wait() {
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
    if (!*assets_) return assets_->error();
    return &**assets_;
  }

 private:
  std::optional<Result<TextAssets>> assets_;
  std::exception_ptr failure_;
  Threads thread_;  // last: it ends before what it writes
};

}  // namespace

Result<LocalModel> load_local_model(std::shared_ptr<const TensorSource> source, ThreadPool& pool,
                                    const LocalModelOptions& options) {
  LocalModel loaded;
  loaded.source = std::move(source);
  loaded.path = loaded.source->path();
  // The tokenizer's tables are made while the packed weights' hash is taken. Where weights have to
  // be packed, or a draft model fits or not, what is wrong with the text is said first.
  TextReader text(*loaded.source);
  if (options.draft) {
    TRY(const TextAssets* assets, text.wait());
    TRY_STATUS(check_draft(*options.draft, *assets->tokenizer));
  }
  TRY(loaded.settings, settings_beside(loaded.path));
  int32_t context = options.context;
  for (const auto& [name, value] : loaded.settings.parameters) {
    if (name == "num_ctx" && context == 0) context = std::atoi(value.c_str());
  }
  LoadOptions load_options;
  load_options.context_length = context;
  load_options.packed_folder = packed_weights_folder();
  load_options.note = options.note;
  load_options.before_packing = [&]() -> Status {
    const auto assets = text.wait();
    return assets ? ok() : Status(assets.error());
  };
  load_options.progress = options.progress;
  AdapterMix mix;
  for (const AdapterReference& adapter : options.adapters) {
    mix.parts.push_back({static_cast<int32_t>(mix.parts.size()), adapter.scale});
    load_options.adapters.push_back(adapter.path);
  }
  TRY(loaded.model, load_model(loaded.source, pool, load_options));
  TRY(const TextAssets* assets, text.wait());
  loaded.text = *assets;
  if (options.kind == WantedKind::decoder && loaded.model->config().is_encoder) {
    return fail(ErrorKind::invalid_argument,
                "{} is an encoder: it turns text into vectors and writes none; use 'jiang embed'",
                loaded.path);
  }
  EngineOptions engine_options = options.engine;
  if (options.draft) {
    load_options.adapters.clear();  // they are the model's
    TRY(engine_options.draft, load_model(options.draft, pool, load_options));
  }
  engine_options.adapters = std::move(mix);
  if (context > 0) {
    const int32_t trained = loaded.model->config().max_position_embeddings;
    if (trained > 0 && context > trained) {
      return fail(ErrorKind::invalid_argument,
                  "--ctx {} is more than the {} tokens that {} was trained for; give at most that",
                  context, trained, loaded.path);
    }
    engine_options.context = context;
  }
  TRY(loaded.engine, Engine::create(loaded.model, pool, engine_options));
  return loaded;
}

}  // namespace jiang
