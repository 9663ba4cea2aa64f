// jiang pull: from a model's name to a model that runs.
#include "base/json_value.h"
#include "base/quantity.h"
#include "cli/commands/table.h"
#include "cli/output.h"
#include "cli/pulling.h"
#include "hub/catalogue.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

Result<int> list_catalogue(bool as_json) {
  TRY(const Catalogue catalogue, load_catalogue(jiang_home()));
  if (as_json) {
    Json list = Json::array();
    for (const CatalogueEntry& entry : catalogue.entries) {
      list.push_back({{"name", entry.name},
                      {"title", entry.title},
                      {"modelscope", entry.modelscope},
                      {"huggingface", entry.huggingface},
                      {"parameters", entry.parameters},
                      {"bytes", entry.bytes},
                      {"quantised_bytes", entry.quantised_bytes()},
                      {"type", entry.type},
                      {"licence", entry.licence}});
    }
    TRY_STATUS(print(to_string(list, 2) + "\n"));
    return 0;
  }
  std::string text = fmt::format("{:<24} {:>8} {:>9} {:>9}  {:<8} {}\n", "NAME", "PARAMS",
                                 "TO FETCH", "INSTALLED", "TYPE", "LICENCE");
  for (const CatalogueEntry& entry : catalogue.entries) {
    text += fmt::format("{:<24} {:>8} {:>9} {:>9}  {:<8} {}\n", entry.name,
                        human_count(entry.parameters), human_bytes(entry.bytes),
                        human_bytes(entry.quantised_bytes()), entry.type, entry.licence);
  }
  TRY_STATUS(print(text));
  return 0;
}

Result<int> run_pull(const std::vector<std::string>& arguments) {
  std::string name;
  PullFlags flags;
  bool as_json = false, lists = false;
  Options options("pull");
  options.positional(name, "NAME", Options::Need::optional,
                     "a name of the catalogue, org/model, ms:org/model, hf:org/model, each with "
                     "@revision and :file-or-type, or the https URL of a .gguf file");
  options.flag(lists, "--list", "the catalogue, with sizes");
  options.flag(as_json, "--json", "progress and result as one JSON object a line");
  flags.add_to(options);
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (lists) return list_catalogue(as_json);
  if (name.empty()) {
    return fail(ErrorKind::invalid_argument, "NAME is missing; 'jiang pull --list' names models");
  }
  PullView view(as_json ? PullView::Style::json : PullView::Style::automatic);
  TRY(const Manifest manifest, pull_model(name, flags, view));
  const Store store(jiang_home());
  if (as_json) {
    TRY_STATUS(print(to_string(Json{{"phase", "installed"},
                                    {"name", manifest.name},
                                    {"path", store.model_path(manifest)},
                                    {"bytes", manifest.bytes()},
                                    {"type", manifest.type},
                                    {"id", manifest.id()}}) +
                     "\n"));
    return 0;
  }
  TRY_STATUS(print(
      fmt::format("{}: {}{}, ready: jiang run {}\n", manifest.name, human_bytes(manifest.bytes()),
                  manifest.type.empty() ? "" : " as " + manifest.type, manifest.name)));
  return 0;
}

}  // namespace

const Command kPull = {
    .name = "pull",
    .usage = "usage: jiang pull NAME [OPTIONS]",
    .summary = "fetch a model from ModelScope or Hugging Face and quantise it",
    .examples =
        "  jiang pull qwen2:1.5b\n"
        "  jiang pull ms:Qwen/Qwen2-1.5B-Instruct --quant q8_0\n"
        "  jiang pull hf:org/model-GGUF:q4_k_m\n"
        "  jiang pull --list",
    .run = run_pull,
};

}  // namespace jiang
