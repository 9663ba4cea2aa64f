// jiang show: what a model is and what it needs.
#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/loaded_model.h"
#include "cli/model_report.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/sanitizer.h"
#include "hub/model_ref.h"
#include "install/create.h"

namespace jiang {
namespace {

Result<int> run_show(const std::vector<std::string>& arguments) {
  ModelFlags flags;
  bool as_json = false;
  bool template_only = false;
  bool modelfile = false;
  Options options("show");
  options.positional(flags.model, "MODEL", Options::Need::required, "the model");
  options.number(flags.context, "-c,--ctx", Range<int32_t>{1, 1 << 30},
                 "tell the memory for this context");
  flags.add_kv_type_to(options, KvType::f16);
  options.flag(template_only, "--template", "the chat template alone");
  options.flag(modelfile, "--modelfile", "the Modelfile that makes an installed model anew");
  options.flag(as_json, "--json", "as JSON");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  if (modelfile) {
    const Store store(jiang_home());
    TRY(const auto found, store.find(flags.model));
    if (!found) {
      return fail(ErrorKind::not_found, "no model '{}' is in the store; see 'jiang list'",
                  flags.model);
    }
    TRY_STATUS(print(modelfile_text(modelfile_of(store, *found))));
    return 0;
  }
  TRY(const auto source, open_model(flags.model));
  TRY(Json report,
      describe_model(*source, {.context = flags.context,

                               .kv_type = kv_type_named(flags.kv_type).value_or(KvType::f16)}));
  const auto assets = text_assets_of(*source);
  report["tokenizer"] = assets ? assets->tokenizer->describe() : assets.error().message;
  const std::string source_text = assets ? assets->chat_template : "";
  if (template_only) {
    if (source_text.empty()) {
      return fail(ErrorKind::not_found, "{} has no chat template", source->path());
    }
    TRY_STATUS(print(stdout_is_terminal() ? TerminalSanitizer().feed(source_text) : source_text));
    return 0;
  }
  if (as_json) {
    report["template"] = source_text;
    TRY_STATUS(print(to_string(report, 2) + "\n"));
    return 0;
  }
  report["template"] = source_text.empty() ? "none: it can only continue text"
                                           : fmt::format("{} bytes of Jinja (--template prints it)",
                                                         source_text.size());
  TRY_STATUS(print(model_report_text(report)));
  return 0;
}

}  // namespace

const Command kShow = {
    .name = "show",
    .usage = "usage: jiang show MODEL [OPTIONS]",
    .summary = "architecture, size, types, memory, template and licence of a model",
    .examples =
        "  jiang show model.gguf\n"
        "  jiang show model.gguf -c 32768 --kv-type int8\n"
        "  jiang show model.gguf --json",
    .run = run_show,
};

}  // namespace jiang
