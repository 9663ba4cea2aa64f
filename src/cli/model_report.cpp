#include "cli/model_report.h"

#include <algorithm>
#include <map>

#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/sanitizer.h"

namespace jiang {
namespace {

constexpr int32_t kDefaultContext = 8192;

std::string metadata_string(const TensorSource& source, std::string_view key) {
  if (!source.metadata()) return {};
  const auto value = source.metadata()->get_string_or(key, "");
  return value ? *value : std::string();
}

}  // namespace

int32_t context_or_default(int32_t wanted, int32_t trained) {
  if (wanted > 0) return wanted;
  return trained > 0 ? std::min(trained, kDefaultContext) : kDefaultContext;
}

uint64_t kv_bytes_per_token(const ModelConfig& config, KvType type) {
  return uint64_t{2} * static_cast<uint64_t>(config.num_hidden_layers) *
         static_cast<uint64_t>(config.num_key_value_heads) *
         (kv_part_bytes(type, config.head_dim) / kKvBlockTokens);
}

MacCount count_macs(const TensorSource& source, const ModelConfig& config) {
  MacCount macs;
  for (const TensorInfo& tensor : source.tensors()) {
    const bool is_layer_matrix =
        tensor.shape.rank() == 2 && (tensor.name.find(".layers.") != std::string::npos ||
                                     tensor.name.find(".layer.") != std::string::npos ||
                                     tensor.name.find(".h.") != std::string::npos);
    if (is_layer_matrix) macs.per_token += static_cast<uint64_t>(tensor.shape.elements());
  }
  macs.head = static_cast<uint64_t>(config.vocab_size) * static_cast<uint64_t>(config.hidden_size);
  // q.k and p.v
  macs.attention_per_pair = uint64_t{2} * static_cast<uint64_t>(config.num_hidden_layers) *
                            static_cast<uint64_t>(config.num_attention_heads) *
                            static_cast<uint64_t>(config.head_dim);
  return macs;
}

Result<Json> describe_model(const TensorSource& source, const ModelReportOptions& options) {
  TRY(const ModelConfig config, read_model_config(source));
  uint64_t parameters = 0;
  uint64_t bytes = 0;
  std::map<Format, std::pair<uint64_t, uint64_t>> by_type;  // parameters, bytes
  for (const TensorInfo& tensor : source.tensors()) {
    const auto n = static_cast<uint64_t>(tensor.shape.elements());
    parameters += n;
    bytes += tensor.bytes.size();
    by_type[tensor.format].first += n;
    by_type[tensor.format].second += tensor.bytes.size();
  }
  std::vector<std::pair<Format, std::pair<uint64_t, uint64_t>>> shares(by_type.begin(),
                                                                       by_type.end());
  std::sort(shares.begin(), shares.end(),
            [](const auto& a, const auto& b) { return a.second.first > b.second.first; });

  Json report = {{"path", source.path()}, {"architecture", config.architecture}};
  report["name"] = metadata_string(source, "general.name");
  report["license"] = metadata_string(source, "general.license");
  report["parameters"] = parameters;
  report["bytes"] = bytes;
  report["bits_per_weight"] =
      parameters > 0 ? 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters) : 0.0;
  report["types"] = Json::array();
  for (const auto& [format, share] : shares) {
    report["types"].push_back(
        {{"type", weight_format(format).name},
         {"parameters", share.first},
         {"bytes", share.second},
         {"share", static_cast<double>(share.first) / static_cast<double>(parameters)}});
  }
  report["vocabulary"] = config.vocab_size;
  report["hidden_size"] = config.hidden_size;
  report["layers"] = config.num_hidden_layers;
  report["heads"] = config.num_attention_heads;
  report["kv_heads"] = config.num_key_value_heads;
  report["head_dim"] = config.head_dim;
  report["intermediate_size"] = config.intermediate_size;
  report["trained_context"] = config.max_position_embeddings;
  const int32_t context = context_or_default(options.context, config.max_position_embeddings);
  const uint64_t kv = config.is_encoder ? 0
                                        : kv_bytes_per_token(config, options.kv_type) *
                                              static_cast<uint64_t>(context);
  report["memory"] = {{"context", context},
                      {"kv_type", name_of(options.kv_type)},
                      {"weights_bytes", bytes},
                      {"kv_bytes", kv},
                      {"total_bytes", bytes + kv}};
  return report;
}

std::string model_report_text(const Json& report) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<16} {}\n", name, visible_line(value));
  };
  const auto number = [&](const char* key) { return report[key].get<uint64_t>(); };
  line("path", report["path"].get<std::string>());
  line("name", report["name"].get<std::string>());
  line("architecture", report["architecture"].get<std::string>());
  line("parameters", human_count(number("parameters")));
  line("size", fmt::format("{} ({:.2f} bits per weight)", human_bytes(number("bytes")),
                           report["bits_per_weight"].get<double>()));
  for (const Json& type : report["types"]) {
    line("  " + type["type"].get<std::string>(),
         fmt::format("{:5.1f} % of the weights, {}", 100 * type["share"].get<double>(),
                     human_bytes(type["bytes"].get<uint64_t>())));
  }
  line("layers", fmt::format("{} of {} wide, {} heads ({} kv) of {}, ffn {}", number("layers"),
                             number("hidden_size"), number("heads"), number("kv_heads"),
                             number("head_dim"), number("intermediate_size")));
  line("vocabulary", std::to_string(number("vocabulary")));
  line("context", fmt::format("{} trained", number("trained_context")));
  const Json& memory = report["memory"];
  line("memory", fmt::format("{} with a context of {}: weights {}, {} KV {}",
                             human_bytes(memory["total_bytes"].get<uint64_t>()),
                             memory["context"].get<int64_t>(),
                             human_bytes(memory["weights_bytes"].get<uint64_t>()),
                             memory["kv_type"].get<std::string>(),
                             human_bytes(memory["kv_bytes"].get<uint64_t>())));
  if (report.contains("tokenizer")) line("tokenizer", report["tokenizer"].get<std::string>());
  if (report.contains("template")) line("chat template", report["template"].get<std::string>());
  const std::string license = report["license"].get<std::string>();
  line("licence", license.empty() ? "not said by the file" : license);
  return text;
}

}  // namespace jiang
