// jiang doctor: what this machine is, and what it can run.
#include <algorithm>

#include "base/json_value.h"
#include "base/machine.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/model_flags.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/random_model.h"
#include "kernels/table.h"
#include "ops/probes.h"

namespace jiang {
namespace {

struct SizeRow {
  const char* arch;
  const char* shape;
  Format format;
};

// The shapes that people ask for, in the type that they mostly run.
constexpr SizeRow kSizes[] = {
    {"qwen2", "0.5b", Format::q4_0}, {"llama3", "1b", Format::q4_0},
    {"qwen2", "1.5b", Format::q4_0}, {"qwen2", "7b", Format::q4_0},
    {"llama3", "8b", Format::q4_0},  {"llama3", "8b", Format::q8_0},
};
constexpr int32_t kContext = 8192;
// Of what the machine has: the default of the memory budget.
constexpr double kBudget = 0.8;
// Of the read bandwidth: what decoding usually reaches.
constexpr double kDecodeEfficiency = 0.8;

uint64_t weight_bytes(const RandomModelShape& shape, Format format, bool per_token) {
  uint64_t bytes = 0;
  for (const GgufTensor& tensor : random_model_tensors(shape, format)) {
    // An untied embedding gives one row a token.
    if (per_token && !shape.tied && tensor.name == "token_embd.weight") continue;
    bytes += *weight_format(tensor.format).row_bytes(tensor.shape.cols()) *
             static_cast<uint64_t>(tensor.shape.rows());
  }
  return bytes;
}

Json levels_found() {
  Json found = Json::array();
  for (int i = 0; i < kernels::kLevelCount; ++i) {
    const auto level = static_cast<kernels::Level>(i);
    const std::string name = kernels::level_name(level);
    if (kernels::table_of(level) && (found.empty() || found.back() != name)) found.push_back(name);
  }
  return found;
}

Json sizes_report(const Machine& machine, double read_gb_per_s) {
  Json rows = Json::array();
  for (const SizeRow& size : kSizes) {
    const auto shape = find_random_model_shape(size.arch, size.shape);
    const uint64_t weights = weight_bytes(*shape, size.format, false);
    const uint64_t kv = uint64_t{4} * static_cast<uint64_t>(shape->layers) *
                        static_cast<uint64_t>(shape->kv_heads) *
                        static_cast<uint64_t>(shape->head_dim()) * kContext;
    const auto read = static_cast<double>(weight_bytes(*shape, size.format, true));
    const bool fits =
        static_cast<double>(weights + kv) <= kBudget * static_cast<double>(machine.available_bytes);
    rows.push_back(
        {{"model", fmt::format("{} {} {}", size.arch, size.shape, weight_format(size.format).name)},
         {"memory_bytes", weights + kv},
         {"fits", fits},
         {"tokens_per_second", kDecodeEfficiency * read_gb_per_s * 1e9 / read}});
  }
  return rows;
}

Result<int> run_doctor(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  bool as_json = false;
  Options options("doctor");
  options.flag(as_json, "--json", "as JSON");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  const Machine machine = inspect_machine();
  ThreadPool pool(thread_count(flags.threads));
  const double read = measure_read_gb_per_s(pool);
  const double dot = measure_dot_gop_per_s(pool);
  Json report = {
      {"version", kVersion},
      {"cpu", machine.cpu_name},
      {"isa", {{"found", levels_found()}, {"chosen", kernels::level_name(kernels::level())}}},
      {"logical_cpus", machine.logical_cpus},
      {"physical_cores", machine.physical_cores},
      {"cgroup_cpu_quota", machine.cpu_quota > 0 ? Json(machine.cpu_quota) : Json()},
      {"threads", pool.size()},
      {"memory_bytes", machine.memory_bytes},
      {"available_bytes", machine.available_bytes},
      {"read_gb_per_s", read},
      {"dot_gop_per_s", dot}};
  report["models"] = sizes_report(machine, read);
  if (as_json) {
    TRY_STATUS(print(to_string(report, 2) + "\n"));
    return 0;
  }
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<10} {}\n", name, value);
  };
  std::string found;
  for (const Json& level : report["isa"]["found"]) found += level.get<std::string>() + " ";
  line("jiang", kVersion);
  line("cpu", machine.cpu_name);
  line("isa", fmt::format("{}found, {} chosen{}", found, kernels::level_name(kernels::level()),
                          std::getenv("JIANG_ISA") ? " by JIANG_ISA" : ""));
  line("cores", fmt::format("{} physical, {} logical{}; {} threads by default",
                            machine.physical_cores, machine.logical_cpus,
                            machine.cpu_quota > 0
                                ? fmt::format(", the cgroup grants {:.1f}", machine.cpu_quota)
                                : std::string(", no cgroup limit"),
                            default_thread_count(machine)));
  line("memory", fmt::format("{}, {} available", human_bytes(machine.memory_bytes),
                             human_bytes(machine.available_bytes)));
  line("bandwidth", fmt::format("{:.1f} GB/s read by {} threads", read, pool.size()));
  line("compute", fmt::format("{:.0f} Gop/s of 8-bit dot products", dot));
  text += fmt::format("\nmodels, with a context of {} in f16:\n", kContext);
  for (const Json& row : report["models"]) {
    text += fmt::format("  {:<18} {:>8}  ", row["model"].get<std::string>(),
                        human_bytes(row["memory_bytes"].get<uint64_t>()));
    const auto rate = row["tokens_per_second"].get<double>();
    text +=
        row["fits"].get<bool>()
            ? fmt::format("fits, about {:.{}f} tokens/s\n", rate, rate < 10 ? 1 : 0)
            : fmt::format("does not fit into {:.0f} % of the available memory\n", 100 * kBudget);
  }
  TRY_STATUS(print(text));
  return 0;
}

}  // namespace

const Command kDoctor = {
    .name = "doctor",
    .usage = "usage: jiang doctor [--json]",
    .summary = "CPU, memory, bandwidth, and which models would run how fast",
    .examples =
        "  jiang doctor\n"
        "  jiang doctor --json",
    .run = run_doctor,
};

}  // namespace jiang
