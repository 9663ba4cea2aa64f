#include "install/check_model.h"

#include <algorithm>
#include <cmath>

#include "base/thread_pool.h"
#include "chat/chat.h"
#include "engine/engine.h"
#include "model/model.h"
#include "text/tokenizer.h"
#include "weights/tensor_source.h"

namespace jiang {
namespace {

constexpr int32_t kTokens = 4;
constexpr int32_t kContext = 256;

Result<TextAssets> text_of(const TensorSource& source) {
  if (source.metadata()) return load_text_assets(*source.metadata(), source.path());
  return load_text_assets(source.path());
}

}  // namespace

Status check_model(const std::string& path, int threads) {
  TRY(const auto source, open_tensor_source(path));
  TRY(TextAssets text, text_of(*source));
  ThreadPool pool(threads);
  LoadOptions load_options;
  load_options.context_length = kContext;
  TRY(const std::shared_ptr<const Model> model, load_model(source, pool, load_options));
  EngineOptions options;
  options.max_sequences = 1;
  options.prefix_cache = false;
  if (!model->config().is_encoder) {
    options.context = std::min(kContext, default_context(model->config()));
  }
  TRY(const auto engine, Engine::create(model, pool, options));
  TRY(const ChatModel chat, ChatModel::create(std::move(text)));
  const std::vector<TokenId> prompt = chat.raw_prompt("1 2 3");
  if (prompt.empty()) return fail(ErrorKind::bad_file, "{}: its tokenizer gives no tokens", path);
  if (model->config().is_encoder) {
    TRY(const Tensor states, engine->evaluate(prompt, OutputKind::hidden_states));
    const TensorView view = states.view();
    for (int64_t i = 0; i < view.rows * view.cols; ++i) {
      if (!std::isfinite(view.data[i])) {
        return fail(ErrorKind::bad_numbers, "{}: it computes what is no number", path);
      }
    }
    return ok();
  }
  GenerateOptions generate_options;
  generate_options.max_tokens = kTokens;
  generate_options.sampling.temperature = 0;
  auto answer =
      generate(*engine, chat, prompt, generate_options, [](std::string_view) { return true; });
  if (!answer) {
    return fail(answer.error().kind, "{}: the try of the new model failed: {}", path,
                answer.error().message);
  }
  return ok();
}

}  // namespace jiang
