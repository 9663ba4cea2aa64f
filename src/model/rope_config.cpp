#include "model/rope_config.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "base/json_value.h"

namespace jiang {
namespace {

constexpr std::string_view kWhere = "config.json: rope_scaling";

// The parts of rope_scaling that several kinds share.
struct Scaling {
  const Json& json;
  double factor = 1;
  double original_context = 0;  // that the model was first trained for
};

Result<double> get_positive(const Json& json, std::string_view key) {
  TRY(const double value, get_number(json, key, kWhere));
  if (!(value > 0) || !std::isfinite(value)) {
    return fail(ErrorKind::bad_file, "{}: \"{}\" is {}, it must be above 0", kWhere, key, value);
  }
  return value;
}

Result<double> get_positive_or(const Json& json, std::string_view key, double otherwise) {
  if (!find_member(json, key)) return otherwise;
  return get_positive(json, key);
}

// Llama 3.1: long waves are slowed down by `factor`, short ones stay, those between are blended.
Status scale_llama3(const Scaling& scaling, RopeTable& table) {
  TRY(const double low, get_positive(scaling.json, "low_freq_factor"));
  TRY(const double high, get_positive(scaling.json, "high_freq_factor"));
  if (high <= low) {
    return fail(ErrorKind::bad_file,
                "{}: \"high_freq_factor\" {} must lie above \"low_freq_factor\" {}", kWhere, high,
                low);
  }
  for (float& frequency : table.inv_freq) {
    const double waves =
        scaling.original_context * frequency / (2 * std::numbers::pi);  // in the old context
    const double keep = std::clamp((waves - low) / (high - low), 0.0, 1.0);
    frequency = static_cast<float>(frequency * (keep + (1 - keep) / scaling.factor));
  }
  return ok();
}

// YaRN (Peng et al., arXiv 2309.00071).
Status scale_yarn(const Scaling& scaling, double theta, RopeTable& table) {
  TRY(const double beta_fast, get_positive_or(scaling.json, "beta_fast", 32));
  TRY(const double beta_slow, get_positive_or(scaling.json, "beta_slow", 1));
  TRY(const bool truncate, get_bool_or(scaling.json, "truncate", true, kWhere));
  // The pair that turns `rotations` times within the original context.
  const auto pair_of = [&](double rotations) {
    return table.rotary_dim *
           std::log(scaling.original_context / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(theta));
  };
  double low = pair_of(beta_fast);
  double high = pair_of(beta_slow);
  if (truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, table.rotary_dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < table.inv_freq.size(); ++i) {
    const double interpolated = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const double frequency = table.inv_freq[i];
    table.inv_freq[i] = static_cast<float>(frequency / scaling.factor * interpolated +
                                           frequency * (1 - interpolated));
  }

  const auto mscale = [&](double weight) {
    return scaling.factor <= 1 ? 1.0 : 0.1 * weight * std::log(scaling.factor) + 1.0;
  };
  double factor = mscale(1);
  if (find_member(scaling.json, "mscale") && find_member(scaling.json, "mscale_all_dim")) {
    TRY(const double all, get_positive(scaling.json, "mscale_all_dim"));
    TRY(const double some, get_positive(scaling.json, "mscale"));
    factor = mscale(some) / mscale(all);
  }
  TRY(const double attention_factor, get_positive_or(scaling.json, "attention_factor", factor));
  table.attention_factor = static_cast<float>(attention_factor);
  return ok();
}

// One divisor per pair.
Status divide(RopeTable& table, std::span<const float> divisors, std::string_view name) {
  if (divisors.size() != table.inv_freq.size()) {
    return fail(ErrorKind::bad_file, "{} has {} factors, expected {}", name, divisors.size(),
                table.inv_freq.size());
  }
  for (size_t i = 0; i < divisors.size(); ++i) {
    if (!(divisors[i] > 0) || !std::isfinite(divisors[i])) {
      return fail(ErrorKind::bad_file, "{} holds the factor {}, it must be above 0", name,
                  divisors[i]);
    }
    table.inv_freq[i] /= divisors[i];
  }
  return ok();
}

// LongRoPE (Ding et al., arXiv 2402.13753), as Phi-3 uses it: one set of divisors up to the
// original context, another beyond. HF decides by the length of each prompt, which would turn
// cached keys by one set and new ones by the other; here the longest context of the engine decides,
// once.
Status scale_longrope(const ConfigInput& input, const ModelConfig& config, const Scaling& scaling,
                      RopeTable& table) {
  const int32_t context = input.context_length > 0 ? input.context_length : default_context(config);
  const bool is_long = context > scaling.original_context;
  const char* key = is_long ? "long_factor" : "short_factor";
  const Json* list = find_member(scaling.json, key);
  if (!list || !list->is_array())
    return fail(ErrorKind::bad_file, "{}: \"{}\" must be a list of factors", kWhere, key);
  std::vector<float> divisors;
  for (const Json& value : *list) {
    if (!value.is_number())
      return fail(ErrorKind::bad_file, "{}: \"{}\" must be a list of numbers", kWhere, key);
    divisors.push_back(value.get<float>());
  }
  TRY_STATUS(divide(table, divisors, fmt::format("{}: \"{}\"", kWhere, key)));
  const double stretch = find_member(scaling.json, "factor")
                             ? scaling.factor
                             : config.max_position_embeddings / scaling.original_context;
  const double usual =
      stretch <= 1 ? 1 : std::sqrt(1 + std::log(stretch) / std::log(scaling.original_context));
  TRY(const double attention_factor, get_positive_or(scaling.json, "attention_factor", usual));
  table.attention_factor = static_cast<float>(attention_factor);
  return ok();
}

}  // namespace

RopeTable plain_rope(double theta, int32_t rotary_dim) {
  RopeTable table;
  table.rotary_dim = rotary_dim;
  for (int32_t i = 0; i < rotary_dim / 2; ++i) {
    table.inv_freq.push_back(static_cast<float>(std::pow(theta, -2.0 * i / rotary_dim)));
  }
  return table;
}

Result<RopeTable> read_rope(const ConfigInput& input, const ModelConfig& config,
                            int32_t rotary_dim) {
  TRY(const double theta, get_positive_or(input.json, "rope_theta", 10000.0));
  if (theta <= 1)
    return fail(ErrorKind::bad_file, "config.json: \"rope_theta\" is {}, it must lie above 1",
                theta);
  RopeTable table = plain_rope(theta, rotary_dim);

  if (const Json* scaling_json = find_member(input.json, "rope_scaling")) {
    if (!scaling_json->is_object())
      return fail(ErrorKind::bad_file, "config.json: \"rope_scaling\" must be an object");
    const char* type_key = find_member(*scaling_json, "rope_type") ? "rope_type" : "type";
    TRY(const std::string type, get_string_or(*scaling_json, type_key, "default", kWhere));
    Scaling scaling{.json = *scaling_json};
    // Phi-3 keeps it outside.
    TRY(const double outer, get_positive_or(input.json, "original_max_position_embeddings",
                                            config.max_position_embeddings));
    TRY(scaling.original_context,
        get_positive_or(*scaling_json, "original_max_position_embeddings", outer));
    TRY(scaling.factor, get_positive_or(*scaling_json, "factor", 1));
    if (type == "linear") {
      for (float& frequency : table.inv_freq)
        frequency = static_cast<float>(frequency / scaling.factor);
    } else if (type == "llama3") {
      TRY_STATUS(scale_llama3(scaling, table));
    } else if (type == "yarn") {
      TRY_STATUS(scale_yarn(scaling, theta, table));
    } else if (type == "longrope" || type == "su") {
      TRY_STATUS(scale_longrope(input, config, scaling, table));
    } else if (type != "default" && type != "none" && type != "dynamic") {
      // "dynamic" changes nothing within max_position_embeddings, and jiang refuses to go beyond.
      return fail(ErrorKind::unsupported,
                  "{}: type \"{}\", jiang knows linear, dynamic, llama3, yarn and longrope", kWhere,
                  type);
    }
  }
  // How GGUF keeps Llama 3.1's scaling: already worked out.
  if (const TensorInfo* found = input.source.find("rope_freqs.weight")) {
    if (found->format != Format::f32 || found->shape.elements() != rotary_dim / 2) {
      return fail(ErrorKind::bad_file, "tensor {} is {} {}, expected f32 ({})", found->source_name,
                  weight_format(found->format).name, found->shape.to_string(), rotary_dim / 2);
    }
    std::vector<float> divisors(table.inv_freq.size());
    std::memcpy(divisors.data(), found->bytes.data(), divisors.size() * sizeof(float));
    TRY_STATUS(divide(table, divisors, found->source_name));
  }
  return table;
}

}  // namespace jiang
