// jiang run-code: a C program, compiled and run in the box that agents use.
#include "base/file.h"
#include "base/json_value.h"
#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"
#include "sandbox/c_program.h"

namespace jiang {
namespace {

Json to_json(const SandboxResult& result) {
  Json json = {
      {"end", name_of(result.end)}, {"exit_code", result.exit_code},
      {"signal", result.signal},    {"out", result.out},
      {"err", result.err},          {"out_cut", result.out_cut},
      {"err_cut", result.err_cut},  {"millis", static_cast<int64_t>(1000 * result.wall_seconds)}};
  if (!result.refused_files.empty()) json["refused_files"] = result.refused_files;
  return json;
}

Result<int> run_run_code(const std::vector<std::string>& arguments) {
  std::string path;
  std::string folder;
  bool as_json = false;
  bool sanitize = false;
  bool check = false;
  float seconds = 10;
  Options options("run-code");
  options.positional(path, "FILE.c", Options::Need::required, "the program; its input is stdin");
  options.text(folder, "--folder", "FOLDER",
               "its files lie beside the program, and it may write more");
  options.number(seconds, "--seconds", Range<float>{0.1f, 600.0f},
                 "stopped after this (default 10)");
  options.flag(sanitize, "--sanitize", "with AddressSanitizer: bad uses of memory are named");
  options.flag(check, "--check", "compile only");
  options.flag(as_json, "--json", "one JSON document");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;

  CProgram program;
  TRY(program.source, read_file(path, size_t{1} << 20));
  if (!check) {
    TRY(program.input, read_stdin(size_t{16} << 20));
  }
  program.folder = folder;
  program.run = !check;
  program.sanitize = sanitize;
  program.run_limits.wall_seconds = seconds;
  program.run_limits.cpu_seconds = seconds;
  TRY(const auto sandbox, Sandbox::open());
  TRY(const CRun result, run_c(*sandbox, program));

  if (as_json) {
    Json json = {{"compiled", result.compiled}, {"compile", to_json(result.compile)}};
    json["run"] = result.run ? to_json(*result.run) : Json();
    json["hint"] = result.hint;
    TRY_STATUS(print(to_string(json, 2) + "\n"));
  } else {
    note_part(result.compile.err);
    if (result.run) {
      TRY_STATUS(print(result.run->out));
      note_part(result.run->err);
      for (const std::string& name : result.run->refused_files) {
        note(fmt::format("{}: not kept: only regular files within the limits are", name));
      }
    }
    if (!result.hint.empty()) note(result.hint);
  }
  if (!result.compiled) return 1;
  if (!result.run || result.run->end == SandboxResult::End::exited) {
    return result.run ? result.run->exit_code : 0;
  }
  return 1;
}

}  // namespace

const Command kRunCode = {
    .name = "run-code",
    .usage = "usage: jiang run-code FILE.c [OPTIONS] [< INPUT]",
    .summary = "compile and run a C program in a box: no network, no files, bounded",
    .examples =
        "  echo 3 4 | jiang run-code add.c\n"
        "  jiang run-code crash.c --sanitize     # names the line of a bad access\n"
        "  jiang run-code homework.c --check     # the compiler's words only\n",
    .run = run_run_code,
};

}  // namespace jiang
