// jiang dev make-model: a random model of a real shape, to repeat a benchmark offline.
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/model_flags.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/random_model.h"

namespace jiang {
namespace {

Result<int> run_dev_make_model(const std::vector<std::string>& arguments) {
  std::string arch = "qwen2";
  std::string shape_name;
  std::string type = "q4_0";
  std::string out;
  std::optional<uint64_t> seed;
  ModelFlags flags;
  Options options("dev make-model");
  options.choice(arch, "--arch", random_model_archs(), "the family (default qwen2)");
  options.text(shape_name, "--shape", "S", "qwen2: tiny 0.5b 1.5b 7b; llama3: tiny 1b 8b");
  options.text(type, "--type", "T",
               "a weight type: f32 f16 bf16 q8_0 q4_0 q4_k ... (default q4_0)");
  options.text(out, "-o,--output", "FILE", "the GGUF file to write");
  options.number(seed, "--seed", Range<uint64_t>{0, UINT64_MAX}, "other weights (default 1)");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (shape_name.empty() || out.empty()) {
    return fail(ErrorKind::invalid_argument, "--shape and -o are needed: {}", kDevMakeModel.usage);
  }
  TRY(const RandomModelShape shape, find_random_model_shape(arch, shape_name));
  const WeightFormat* format = find_weight_format(type);
  if (!format) {
    std::string list;
    for (const WeightFormat& one : weight_formats()) list += std::string(" ") + one.name;
    return fail(ErrorKind::invalid_argument, "no type '{}'; there are{}", type, list);
  }

  ThreadPool pool(thread_count(flags.threads));
  const InterruptScope scope;
  std::optional<ProgressLine> progress("writing");
  RandomModelOptions model_options;
  model_options.seed = seed.value_or(1);
  model_options.progress = [&](uint64_t done, uint64_t total) {
    progress->update(done, total);
    return !interrupted();
  };
  auto bytes = write_random_model(out, shape, format->id, pool, model_options);
  progress.reset();
  if (!bytes) return std::move(bytes).error();
  TRY_STATUS(print(fmt::format("{}: {} {} with random {} weights, {}\n", out, arch, shape_name,
                               format->name, human_bytes(*bytes))));
  return 0;
}

}  // namespace

const Command kDevMakeModel = {
    .name = "dev make-model",
    .usage = "usage: jiang dev make-model --arch A --shape S --type T -o FILE",
    .summary = "a random-weight model of a real shape, for benchmarks",
    .examples =
        "  jiang dev make-model --arch qwen2 --shape 1.5b --type q4_0 -o qwen2-1.5b-q4_0.gguf\n"
        "  jiang dev make-model --arch llama3 --shape 8b --type q4_k -o llama3-8b-q4_k.gguf",
    .run = run_dev_make_model,
};

}  // namespace jiang
