// jiang quantize: a model in, a smaller GGUF file out.
#include <filesystem>

#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/interrupt.h"
#include "cli/loaded_model.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "convert/quantize.h"
#include "text/gguf_tokenizer.h"

namespace jiang {
namespace {

std::string type_list() {
  std::string list;
  for (const std::string& name : quantize_type_names()) list += (list.empty() ? "" : " ") + name;
  return list;
}

Json report_json(const QuantizeReport& report, const std::string& out, const std::string& type) {
  Json json = {
      {"out", out}, {"type", type}, {"bytes_in", report.bytes_in}, {"bytes_out", report.bytes_out}};
  json["tensors"] = Json::array();
  for (const QuantizeReport::Row& row : report.rows) {
    json["tensors"].push_back({{"name", row.tensor},
                               {"from", weight_format(row.from).name},
                               {"to", weight_format(row.to).name},
                               {"fallback", row.fallback},
                               {"relative_mse", row.relative_mse}});
  }
  json["left_out"] = report.left_out;
  return json;
}

Result<int> run_quantize(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::string out;
  std::string type_name;
  std::optional<std::string> matrix_path;
  bool as_json = false;
  bool lists_types = false;
  bool pure = false;
  bool requantize = false;
  bool without_tokenizer = false;
  Options options("quantize");
  options.positional(flags.model, "IN", Options::Need::optional,
                     "a GGUF file or a Hugging Face folder");
  options.positional(out, "OUT", Options::Need::optional, "the GGUF file to write");
  options.text(type_name, "--type", "T",
               "q4_0, q4_k_m, sym_int4, bf16 ...; --list-types names all");
  options.text(matrix_path, "--imatrix", "FILE", "importance matrix (jiang imatrix)");
  options.flag(pure, "--pure", "every matrix in T: no mixture, no wider output matrix");
  options.flag(requantize, "--allow-requantize", "take a source that is quantised already");
  options.flag(without_tokenizer, "--without-tokenizer",
               "of a folder whose tokenizer GGUF cannot hold: the weights alone");
  options.flag(lists_types, "--list-types", "the types, one a line");
  options.flag(as_json, "--json", "the report as JSON");
  flags.add_threads_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (lists_types) {
    std::string text;
    for (const std::string& name : quantize_type_names()) text += name + "\n";
    TRY_STATUS(print(text));
    return 0;
  }
  if (flags.model.empty() || out.empty()) {
    return fail(ErrorKind::invalid_argument,
                "IN and OUT are needed: jiang quantize IN OUT --type T");
  }
  if (type_name.empty()) {
    return fail(ErrorKind::invalid_argument, "--type is missing; there are {}", type_list());
  }
  TRY(const QuantizeType type, find_quantize_type(type_name));
  std::optional<ImportanceMatrix> matrix;
  if (matrix_path) {
    TRY(matrix, read_importance_matrix(*matrix_path));
  }
  TRY(const auto source, open_model(flags.model));
  std::error_code ignored;
  if (std::filesystem::equivalent(source->path(), out, ignored)) {
    return fail(ErrorKind::invalid_argument, "OUT is IN itself; give another name for the result");
  }
  if (std::filesystem::is_directory(out, ignored)) {
    return fail(ErrorKind::invalid_argument, "{} is a folder; OUT is the name of a .gguf file",
                out);
  }

  ThreadPool pool(thread_count(flags.threads));
  QuantizeOptions quantize_options;
  quantize_options.importance = matrix ? &*matrix : nullptr;
  quantize_options.pure = pure;
  quantize_options.allow_requantize = requantize;
  if (!source->metadata() && !without_tokenizer) {
    auto tokenizer = tokenizer_to_gguf_metadata(source->path());
    if (!tokenizer) {
      return fail(tokenizer.error().kind, "{}; --without-tokenizer writes the weights alone",
                  tokenizer.error().message);
    }
    quantize_options.extra_metadata = *std::move(tokenizer);
  }
  const InterruptScope scope;
  std::optional<ProgressLine> progress("quantising");
  quantize_options.progress = [&](const QuantizeProgress& now) {
    progress->update(now.bytes_done, now.bytes_total, now.tensor);
    return !interrupted();
  };
  auto outcome = quantize_model(*source, out, type, pool, quantize_options);
  progress.reset();
  if (!outcome && interrupted()) {
    return fail(ErrorKind::cancelled, "{}; {} is as it was", message(Phrase::interrupted), out);
  }
  TRY(const QuantizeReport report, std::move(outcome));
  if (as_json) {
    TRY_STATUS(print(to_string(report_json(report, out, type.name), 2) + "\n"));
    return 0;
  }
  for (const std::string& name : report.left_out) {
    note(fmt::format("{} is left out: GGUF has no place for it", name));
  }
  size_t n_fallbacks = 0;
  for (const QuantizeReport::Row& row : report.rows) {
    if (!row.fallback) continue;
    ++n_fallbacks;
    note(fmt::format("{}: {} does not divide its rows, {} instead", row.tensor, type.name,
                     weight_format(row.to).name));
  }
  TRY_STATUS(
      print(fmt::format("{}: {} to {}, {} ({} tensors{})\n", out, human_bytes(report.bytes_in),
                        human_bytes(report.bytes_out), type.name, report.rows.size(),
                        n_fallbacks > 0 ? fmt::format(", {} in another type", n_fallbacks) : "")));
  return 0;
}

}  // namespace

const Command kQuantize = {
    .name = "quantize",
    .usage = "usage: jiang quantize IN OUT --type T [OPTIONS]",
    .summary = "write a model in a smaller type, as a GGUF file",
    .examples =
        "  jiang quantize hf-folder model-q4_0.gguf --type q4_0\n"
        "  jiang quantize model-f16.gguf model.gguf --type q4_k_m --imatrix model.imatrix\n"
        "  jiang quantize --list-types",
    .run = run_quantize,
};

}  // namespace jiang
