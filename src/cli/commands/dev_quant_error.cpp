// jiang dev quant-error: what each type loses on a model's weights, ours beside another's.
#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "convert/quantization_error.h"

namespace jiang {
namespace {

Result<std::vector<Format>> formats_of(const std::vector<std::string>& names) {
  std::vector<Format> formats;
  for (const std::string& name : names) {
    const WeightFormat* format = find_weight_format(name);
    if (!format) return fail(ErrorKind::invalid_argument, "--type {}: no such type", name);
    formats.push_back(format->id);
  }
  if (!formats.empty()) return formats;
  for (const WeightFormat& format : weight_formats()) {
    if (format.block_size > 1 && format.quantize) formats.push_back(format.id);
  }
  return formats;
}

Result<int> run_dev_quant_error(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::vector<std::string> candidates;
  std::vector<std::string> types;
  bool as_json = false;
  Options options("dev quant-error");
  options.positional(flags.model, "REFERENCE", Options::Need::required,
                     "the model in f32, f16 or bf16");
  options.rest(candidates, "CANDIDATE", "files of the same model that another program quantised");
  options.texts(types, "--type", "T", "only this type; may be repeated");
  options.flag(as_json, "--json", "as JSON");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  TRY(const std::vector<Format> formats, formats_of(types));
  TRY(const auto reference, open_model(flags.model));
  ThreadPool pool(thread_count(flags.threads));
  std::vector<std::pair<std::string, QuantizationError>> rows;
  if (candidates.empty()) {
    TRY(const auto table, quantization_error_table(*reference, formats, pool));
    for (const QuantizationError& row : table) rows.emplace_back("", row);
  }
  for (const std::string& path : candidates) {
    TRY(const auto candidate, open_model(path));
    TRY(const auto table, quantization_error_table(*reference, *candidate, pool));
    for (const QuantizationError& row : table) rows.emplace_back(candidate->path(), row);
  }

  if (as_json) {
    Json list = Json::array();
    for (const auto& [path, row] : rows) {
      Json one = {{"type", weight_format(row.format).name},
                  {"bits_per_weight", row.bits_per_weight},
                  {"weights", row.weights},
                  {"ours", row.ours}};
      if (row.candidate) {
        one["candidate"] = *row.candidate;
        one["file"] = path;
      }
      list.push_back(std::move(one));
    }
    TRY_STATUS(print(to_string(list, 2) + "\n"));
    return 0;
  }
  std::string text = fmt::format("{:<8} {:>5} {:>12} {:>12} {:>7}  {}\n", "TYPE", "BITS", "OURS",
                                 "THEIRS", "RATIO", "FILE");
  for (const auto& [path, row] : rows) {
    text += fmt::format("{:<8} {:>5.2f} {:>12.4e} ", weight_format(row.format).name,
                        row.bits_per_weight, row.ours);
    text += row.candidate ? fmt::format("{:>12.4e} {:>7.3f}  {}\n", *row.candidate,
                                        row.ours / *row.candidate, path)
                          : "\n";
  }
  TRY_STATUS(print(text));
  return 0;
}

}  // namespace

const Command kDevQuantError = {
    .name = "dev quant-error",
    .usage = "usage: jiang dev quant-error REFERENCE [CANDIDATE...] [OPTIONS]",
    .summary = "what each type loses on a model's weights",
    .examples =
        "  jiang dev quant-error model-f16.gguf\n"
        "  jiang dev quant-error tiny-f16.gguf tiny-Q4_0.gguf tiny-Q6_K.gguf",
    .run = run_dev_quant_error,
};

}  // namespace jiang
