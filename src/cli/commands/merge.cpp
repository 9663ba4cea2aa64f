// jiang merge: adapters become part of the weights.
#include <filesystem>

#include "base/file.h"
#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "convert/merge.h"
#include "convert/quantize.h"
#include "text/gguf_tokenizer.h"
#include "train/model_folder.h"

namespace jiang {
namespace {

// Every tensor of the source as it is called and shaped in Hugging Face checkpoints.
Status write_folder(const TensorSource& source, const std::string& out, Format format) {
  std::error_code failed;
  std::filesystem::create_directories(out, failed);
  if (failed) return fail(ErrorKind::io, "{}: {}", out, failed.message());
  std::vector<std::vector<float>> memory;
  std::vector<NamedMatrix> tensors;
  for (const TensorInfo& tensor : source.tensors()) {
    std::vector<float>& values = memory.emplace_back(static_cast<size_t>(tensor.shape.elements()));
    const WeightMatrix matrix = tensor.matrix();
    for (int64_t i = 0; i < matrix.rows; ++i)
      matrix.dequantize_row(i, values.data() + i * matrix.cols);
    NamedMatrix named{tensor.name, {}, values.data()};
    for (int i = 0; i < tensor.shape.rank(); ++i) named.shape.push_back(tensor.shape[i]);
    tensors.push_back(std::move(named));
  }
  TRY_STATUS(write_safetensors(out + "/model.safetensors", tensors, format, {{"format", "pt"}}));
  TRY_STATUS(write_file(out + "/config.json", to_string(source.config(), 2) + "\n"));
  if (!source.generation_config().empty()) {
    TRY_STATUS(write_file(out + "/generation_config.json",
                          to_string(source.generation_config(), 2) + "\n"));
  }
  return copy_tokenizer_files(source.path(), out);
}

Status write_gguf(const TensorSource& source, const std::string& out, const std::string& type_name,
                  ThreadPool& pool) {
  TRY(const QuantizeType type, find_quantize_type(type_name));
  QuantizeOptions options;
  options.allow_requantize = true;
  if (!source.metadata()) {
    TRY(options.extra_metadata, tokenizer_to_gguf_metadata(source.path()));
  }
  const InterruptScope scope;
  std::optional<ProgressLine> progress("writing");
  options.progress = [&](const QuantizeProgress& now) {
    progress->update(now.bytes_done, now.bytes_total, now.tensor);
    return !interrupted();
  };
  const auto outcome = quantize_model(source, out, type, pool, options);
  progress.reset();
  if (!outcome) return outcome.error();
  return ok();
}

Result<int> run_merge(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::string out;
  std::vector<std::string> adapters;
  std::string type;
  Options options("merge");
  options.positional(flags.model, "MODEL", Options::Need::required,
                     "a GGUF file or a Hugging Face folder");
  options.positional(out, "OUT", Options::Need::required,
                     "a .gguf file, or a folder (of a folder) to write");
  options.texts(adapters, "--lora", "PATH[:SCALE]", "an adapter; may be given several times");
  options.text(type, "--type", "T",
               "of a .gguf: q8_0, q4_k_m ... (default f16); of a folder: f32, f16, bf16 (default)");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (adapters.empty())
    return fail(ErrorKind::invalid_argument, "--lora PATH is missing: what to merge");
  TRY(const auto source, open_model(flags.model));
  std::error_code ignored;
  if (std::filesystem::equivalent(source->path(), out, ignored)) {
    return fail(ErrorKind::invalid_argument, "OUT is MODEL itself; give another name");
  }
  TRY(const ModelConfig config, read_model_config(*source));
  std::vector<ScaledAdapter> scaled;
  for (const std::string& text : adapters) {
    TRY(const AdapterReference reference, parse_adapter_reference(text));
    TRY(AdapterFile file, read_adapter_file(reference.path));
    scaled.push_back({std::move(file), reference.scale});
  }
  ThreadPool pool(thread_count(flags.threads));
  TRY(const auto merged, merge_adapters(source, std::move(scaled), config.head_dim, pool));
  if (out.ends_with(".gguf")) {
    TRY_STATUS(write_gguf(*merged, out, type.empty() ? "f16" : type, pool));
  } else {
    if (source->metadata()) {
      return fail(ErrorKind::invalid_argument,
                  "{} is a GGUF file: OUT must be one too, its tokenizer has no folder's form",
                  flags.model);
    }
    if (type.empty()) type = "bf16";
    if (type != "f32" && type != "f16" && type != "bf16")
      return fail(ErrorKind::invalid_argument, "--type of a folder is f32, f16 or bf16");
    TRY_STATUS(write_folder(*merged, out, find_weight_format(type)->id));
  }
  TRY_STATUS(print(fmt::format("{}: {} with {} adapter{} merged\n", out, source->path(),
                               adapters.size(), adapters.size() == 1 ? "" : "s")));
  return 0;
}

}  // namespace

const Command kMerge = {
    .name = "merge",
    .usage = "usage: jiang merge MODEL OUT --lora PATH[:SCALE] [OPTIONS]",
    .summary = "add LoRA adapters to a model's weights",
    .examples =
        "  jiang merge model.gguf merged.gguf --lora adapter.gguf --type q8_0\n"
        "  jiang merge folder/ merged/ --lora adapter/ --lora other/:0.5",
    .run = run_merge,
};

}  // namespace jiang
