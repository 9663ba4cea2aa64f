// run_python: runs a Python program in the box.
#include "agent/execution.h"
#include "agent/tool.h"
#include "base/json_value.h"

namespace jiang {
namespace {

Result<ToolOutput> run_python(const Json& arguments, ToolContext& context) {
  if (!context.sandbox) {
    return fail(ErrorKind::unsupported, "programs cannot be run on this machine");
  }
  TRY(std::string code, get_string(arguments, "code", "run_python"));
  TRY(std::string input, get_string_or(arguments, "input", "", "run_python"));
  TRY(const PythonRun result, run_python(*context.sandbox, {.source = std::move(code),
                                                            .input = std::move(input),
                                                            .folder = context.folder,
                                                            .cancelled = context.cancelled}));
  return ToolOutput{.ok = result.run.end == SandboxResult::End::exited && result.run.exit_code == 0,
                    .text = execution_text(result),
                    .part = execution_part(result, context.folder, context.files_url)};
}

Json python_preview(const Json& arguments) {
  const Json* code = find_member(arguments, "code");
  if (!code || !code->is_string()) return Json();
  return {{"type", "code"}, {"language", "python"}, {"code", *code}};
}

}  // namespace

extern const Tool kRunPython = {
    .name = "run_python",
    .description =
        "Run a Python 3 program (standard library only) in a sandbox without network. Returns how "
        "it ended and what it printed.",
    .parameters = R"({"type":"object","properties":{
      "code":{"type":"string","description":"the whole program"},
      "input":{"type":"string","description":"what it reads from standard input"}},
      "required":["code"],"additionalProperties":false})",
    .permission = Permission::execute,
    .ability = Ability::code,
    .is_present = has_python,
    .preview = python_preview,
    .run = run_python,
};

}  // namespace jiang
