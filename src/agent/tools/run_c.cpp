// run_c: compiles a C program and runs it, in two boxes.
#include "agent/execution.h"
#include "agent/tool.h"
#include "base/json_value.h"

namespace jiang {
namespace {

Result<ToolOutput> run_c(const Json& arguments, ToolContext& context) {
  if (!context.sandbox) {
    return fail(ErrorKind::unsupported, "programs cannot be run on this machine");
  }
  TRY(std::string code, get_string(arguments, "code", "run_c"));
  TRY(std::string input, get_string_or(arguments, "input", "", "run_c"));
  TRY(const CRun result, run_c(*context.sandbox, {.source = std::move(code),
                                                  .input = std::move(input),
                                                  .folder = context.folder,
                                                  .cancelled = context.cancelled}));
  return ToolOutput{.ok = ran_well(result),
                    .text = execution_text(result),
                    .part = execution_part(result, context.folder, context.files_url)};
}

Json c_preview(const Json& arguments) {
  const Json* code = find_member(arguments, "code");
  if (!code || !code->is_string()) return Json();
  return {{"type", "code"}, {"language", "c"}, {"code", *code}};
}

}  // namespace

// Limits are configuration, never arguments: a model cannot widen its box.
extern const Tool kRunC = {
    .name = "run_c",
    .description =
        "Compile a complete C17 program with gcc -Wall -Wextra and run it in a sandbox without "
        "network. Returns the compiler's messages, how the program ended, and what it printed.",
    .parameters = R"({"type":"object","properties":{
      "code":{"type":"string","description":"the whole program, with its #include lines and main"},
      "input":{"type":"string","description":"what the program reads from standard input"}},
      "required":["code"],"additionalProperties":false})",
    .permission = Permission::execute,
    .ability = Ability::code,
    .preview = c_preview,
    .run = run_c,
};

}  // namespace jiang
