// The flags of every command that loads a model, and what they mean on this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "ops/attention.h"
#include "weights/adapter_file.h"

namespace jiang {

struct ModelFlags {
  std::string model;
  int32_t threads = 0;            // 0: one per physical core within the cgroup's quota
  int32_t context = 0;            // 0: min(trained, 8192)
  std::string kv_type;            // empty: the command's own default
  std::vector<std::string> lora;  // PATH[:SCALE]
  std::string draft;              // empty: none

  void add_to(Options& options);          // -t, -c
  void add_threads_to(Options& options);  // -t alone
  void add_lora_to(Options& options);
  void add_draft_to(Options& options);
  void add_kv_type_to(Options& options, KvType by_default);
};

// `name` is one of those that --kv-type takes; empty: nothing.
std::optional<KvType> kv_type_named(std::string_view name);

// PATH[:SCALE], several.
Result<std::vector<AdapterReference>> parse_adapters(const std::vector<std::string>& texts);

// `wanted`, or the machine's default for 0.
int thread_count(int32_t wanted);

}  // namespace jiang
