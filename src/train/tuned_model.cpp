#include "train/tuned_model.h"

#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"

namespace jiang {

Result<TunedModel> open_tuned_model(TrainRecipe& recipe, ThreadPool& pool) {
  TunedModel tuned;
  TRY(tuned.source, open_tensor_source(recipe.model_path));
  if (tuned.source->metadata()) {
    TRY(tuned.assets, load_text_assets(*tuned.source->metadata(), recipe.model_path));
  } else {
    TRY(tuned.assets, load_text_assets(recipe.model_path));
  }
  LoadOptions options;
  options.context_length = static_cast<int32_t>(recipe.sequence_length);
  TRY(tuned.model, load_model(tuned.source, pool, options));
  const ModelConfig& config = tuned.model->config();
  if (config.is_encoder || !tuned.model->output_head()) {
    return fail(ErrorKind::unsupported, "{}: {} is an encoder; decoders train", recipe.model_path,
                config.architecture);
  }
  if (recipe.sequence_length > config.max_position_embeddings) {
    return fail(ErrorKind::invalid_argument,
                "{}: train.sequence_length is {}, the model was made for {} positions", recipe.path,
                recipe.sequence_length, config.max_position_embeddings);
  }
  uint64_t& limit = recipe.trainer.memory_limit;
  const uint64_t taken = tuned.model->weight_bytes();
  if (limit > 0) limit = limit > taken ? limit - taken : 1;
  return tuned;
}

Status add_whole_model(ParameterSet& parameters, const TunedModel& tuned, const TrainRecipe& recipe,
                       ThreadPool& pool) {
  if (tuned.source->metadata()) {
    return fail(ErrorKind::unsupported,
                "{}: tuning all weights takes a Hugging Face folder and writes one; for a GGUF "
                "file there is `jiang train lora`",
                recipe.model_path);
  }
  if (tuned.source->conventions().conv1d_transposed) {
    return fail(ErrorKind::unsupported,
                "{}: {} stores its weights transposed, which cannot be written back yet; `jiang "
                "train lora` works",
                recipe.model_path, tuned.model->config().architecture);
  }
  parameters.add_all(*tuned.model, pool);
  if (!tuned.model->config().norm_adds_one) return ok();
  for (const auto& parameter : parameters.all()) {
    if (parameter->is_vector && parameter->name.ends_with("norm.weight"))
      parameter->stored_offset = 1;
  }
  return ok();
}

Status write_whole_model(const ParameterSet& parameters, const TunedModel& tuned,
                         const TrainRecipe& recipe) {
  TRY_STATUS(write_weights(recipe.out + "/model.safetensors", parameters,
                           find_weight_format(recipe.dtype)->id));
  Json config = tuned.source->config();
  config["torch_dtype"] = recipe.dtype == "f32"    ? "float32"
                          : recipe.dtype == "bf16" ? "bfloat16"
                                                   : "float16";
  TRY_STATUS(write_file(recipe.out + "/config.json", to_string(config, 2) + "\n"));
  if (!tuned.source->generation_config().empty()) {
    TRY_STATUS(write_file(recipe.out + "/generation_config.json",
                          to_string(tuned.source->generation_config(), 2) + "\n"));
  }
  return copy_tokenizer_files(recipe.model_path, recipe.out);
}

}  // namespace jiang
