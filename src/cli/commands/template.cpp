// jiang template: the prompt that a chat template makes.
#include "base/file.h"
#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/loaded_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "hub/model_ref.h"
#include "text/chat_template.h"

namespace jiang {
namespace {

constexpr size_t kMaxTemplateBytes = size_t{4} << 20;

bool is_template_file(const std::string& path) {
  for (const std::string_view suffix : {".jinja", ".jinja2", ".j2", ".txt"}) {
    if (path.size() > suffix.size() && path.substr(path.size() - suffix.size()) == suffix)
      return true;
  }
  return false;
}

Result<int> run_template(const std::vector<std::string>& arguments) {
  std::string model;
  std::string context_path;
  Options options("template");
  options.positional(model, "MODEL_OR_JINJA", Options::Need::required, "a model, or a .jinja file");
  options.text(context_path, "--context", "FILE",
               "JSON: messages, tools, add_generation_prompt ...; - is stdin");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  if (context_path.empty()) {
    return fail(ErrorKind::invalid_argument,
                "--context FILE is missing: a JSON object with the messages to render");
  }

  Json context;
  if (context_path == "-") {
    TRY(const std::string text, read_stdin(JsonLimits().max_bytes));
    TRY(context, parse_json(text, "standard input"));
  } else {
    TRY(context, parse_json_file(context_path));
  }
  if (!context.is_object()) {
    return fail(ErrorKind::invalid_argument, "{}: the context is not a JSON object", context_path);
  }
  std::string source;
  if (is_template_file(model)) {
    TRY(source, read_file(model, kMaxTemplateBytes));
  } else {
    TRY(const TextAssets assets, load_tokenizer(model));
    if (assets.chat_template.empty()) {
      return fail(ErrorKind::not_found, "{} has no chat template; give a .jinja file", model);
    }
    source = assets.chat_template;
    if (!context.contains("bos_token")) context["bos_token"] = assets.bos_token;
    if (!context.contains("eos_token")) context["eos_token"] = assets.eos_token;
  }
  TRY(const ChatTemplate chat_template, ChatTemplate::parse(source));
  TRY(const std::vector<PromptSegment> segments, chat_template.render(context));
  TRY_STATUS(print(join(segments)));
  return 0;
}

}  // namespace

const Command kTemplate = {
    .name = "template",
    .usage = "usage: jiang template MODEL_OR_JINJA --context FILE.json",
    .summary = "the exact prompt that a chat template makes of messages",
    .examples =
        "  jiang template model.gguf --context chat.json\n"
        "  echo '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
        "\"add_generation_prompt\":true}' |\n    jiang template chatml.jinja --context -",
    .run = run_template,
};

}  // namespace jiang
