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

Json report_json(const QuantizeReport& report, const std::string& out, const std::string& type) {
  Json json = {
      {"out", out}, {"type", type}, {"bytes_in", report.bytes_in}, {"bytes_out", report.bytes_out}};
  json["tensors"] = Json::array();
  for (const QuantizeReport::Row& row : report.rows) {
    json["tensors"].push_back({{"name", row.tensor},
                               {"from", weight_format(row.from).name},
                               {"to", weight_format(row.to).name},
                               {"weights", row.weights},
                               {"bytes", row.bytes},
                               {"is_matrix", row.is_matrix},
                               {"fallback", row.fallback},
                               {"relative_mse", row.relative_mse},
                               {"expected_divergence", row.expected_divergence}});
  }
  json["left_out"] = report.left_out;
  return json;
}

// What the first load of `out` would do. It was asked for, so there is no going on without.
Result<KeptWeights> keep_packed(const std::string& out, ThreadPool& pool) {
  ProgressLine progress("packing");
  Result<std::shared_ptr<const TensorSource>> source = open_tensor_source(out);
  Result<KeptWeights> kept =
      source
          ? keep_packed_weights(
                *source, pool, [&](uint64_t done, uint64_t total) { progress.update(done, total); })
          : source.error();
  if (kept) return kept;
  return fail(kept.error().kind, "--packed: {}; {} itself is whole", kept.error().message, out);
}

Result<int> run_quantize(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  std::string out;
  std::string type_name;
  std::optional<std::string> matrix_path;
  std::optional<float> bits;
  bool as_json = false;
  bool lists_types = false;
  bool pure = false;
  bool requantize = false;
  bool without_tokenizer = false;
  bool packed = false;
  Options options("quantize");
  options.positional(flags.model, "IN", Options::Need::optional,
                     "a GGUF file or a Hugging Face folder");
  options.positional(out, "OUT", Options::Need::optional, "the GGUF file to write");
  options.text(type_name, "--type", "T",
               "q4_0, sym_int4, bf16 ... (default q4_k_m); --list-types names all");
  options.number(bits, "--bits", Range<float>{2, 9},
                 "in place of --type: a mixture of formats, at most N bits per weight; --imatrix "
                 "of jiang imatrix --full says what each error costs");
  options.text(matrix_path, "--imatrix", "FILE", "importance matrix (jiang imatrix)");
  options.flag(pure, "--pure", "every matrix in T: no mixture, no wider output matrix");
  options.flag(requantize, "--allow-requantize", "take a source that is quantised already");
  options.flag(without_tokenizer, "--without-tokenizer",
               "of a folder whose tokenizer GGUF cannot hold: the weights alone");
  options.flag(packed, "--packed",
               "pack OUT's weights at once, so that the first jiang run maps them");
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
                "IN and OUT are needed: jiang quantize IN OUT [--type T]");
  }
  if (bits && (!type_name.empty() || pure)) {
    return fail(ErrorKind::invalid_argument, "--bits chooses the formats itself; leave {} away",
                pure ? "--pure" : "--type");
  }
  if (bits && !matrix_path) {
    return fail(ErrorKind::invalid_argument,
                "--bits needs --imatrix FILE, made by jiang imatrix --full");
  }
  QuantizeType type;
  if (bits) {
    type = mixture_type(*bits);
  } else {
    TRY(type, find_quantize_type(type_name.empty() ? kDefaultQuantizeType : type_name));
  }
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
  std::optional<KeptWeights> kept;
  if (packed) {
    TRY(kept, keep_packed(out, pool));
  }
  if (as_json) {
    Json json = report_json(report, out, type.name);
    if (kept) json["packed"] = {{"path", kept->path}, {"bytes", kept->bytes}};
    TRY_STATUS(print(to_string(json, 2) + "\n"));
    return 0;
  }
  for (const std::string& name : report.left_out) {
    note(fmt::format("{} is left out: GGUF has no place for it", name));
  }
  size_t n_fallbacks = 0;
  double divergence = 0;
  for (const QuantizeReport::Row& row : report.rows) {
    divergence += row.expected_divergence;
    if (!row.fallback) continue;
    ++n_fallbacks;
    note(fmt::format("{}: {} does not divide its rows, {} instead", row.tensor, type.name,
                     weight_format(row.to).name));
  }
  TRY_STATUS(
      print(fmt::format("{}: {} to {}, {} ({} tensors{})\n", out, human_bytes(report.bytes_in),
                        human_bytes(report.bytes_out), type.name, report.rows.size(),
                        n_fallbacks > 0 ? fmt::format(", {} in another type", n_fallbacks) : "")));
  if (divergence > 0) {
    TRY_STATUS(print(fmt::format(
        "expected divergence from the original: {:.2g} nats a token, of the matrices measured\n",
        divergence)));
  }
  if (kept) {
    TRY_STATUS(print(fmt::format("packed weights: {}, {}; the first jiang run maps them\n",
                                 kept->path, human_bytes(kept->bytes))));
  }
  return 0;
}

}  // namespace

const Command kQuantize = {
    .name = "quantize",
    .usage = "usage: jiang quantize IN OUT [--type T] [OPTIONS]",
    .summary = "write a model in a smaller type, as a GGUF file",
    .examples =
        "  jiang quantize hf-folder model-q4_0.gguf --type q4_0\n"
        "  jiang quantize model-f16.gguf model.gguf --type q4_k_m --imatrix model.imatrix\n"
        "  jiang imatrix model-f16.gguf text -o model.imatrix --full\n"
        "  jiang quantize model-f16.gguf model.gguf --bits 4.5 --imatrix model.imatrix --packed\n"
        "  jiang quantize --list-types",
    .run = run_quantize,
};

}  // namespace jiang
