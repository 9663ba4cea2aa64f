#include "cli/model_flags.h"

#include "base/machine.h"

namespace jiang {

void ModelFlags::add_threads_to(Options& options) {
  options.number(threads, "-t,--threads", Range<int32_t>{1, 1024},
                 "compute threads (default: physical cores within the cgroup's quota)");
}

void ModelFlags::add_lora_to(Options& options) {
  options.texts(lora, "--lora", "PATH[:SCALE]",
                "a LoRA adapter (PEFT's folder or a .gguf); may be given several times");
}

void ModelFlags::add_draft_to(Options& options) {
  options.text(draft, "--draft", "MODEL",
               "a smaller model of the same vocabulary guesses ahead (same answer, sooner)");
}

void ModelFlags::add_to(Options& options) {
  options.number(context, "-c,--ctx", Range<int32_t>{1, 1 << 30},
                 "context in tokens (default: the trained one, at most 8192)");
  add_threads_to(options);
}

void ModelFlags::add_kv_type_to(Options& options, KvType by_default) {
  options.choice(kv_type, "--kv-type", {"f32", "f16", "int8"},
                 by_default == KvType::f32 ? "how keys and values are kept (default f32)"
                                           : "how keys and values are kept (default f16)");
}

std::optional<KvType> kv_type_named(std::string_view name) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::int8}) {
    if (name == name_of(type)) return type;
  }
  return std::nullopt;
}

Result<std::vector<AdapterReference>> parse_adapters(const std::vector<std::string>& texts) {
  std::vector<AdapterReference> adapters;
  for (const std::string& text : texts) {
    TRY(adapters.emplace_back(), parse_adapter_reference(text));
  }
  return adapters;
}

int thread_count(int32_t wanted) {
  return wanted > 0 ? wanted : default_thread_count(inspect_machine());
}

}  // namespace jiang
