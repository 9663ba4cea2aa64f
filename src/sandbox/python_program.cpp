#include "sandbox/python_program.h"

#include <unistd.h>

#include "base/file.h"
#include "sandbox/box_folder.h"
#include "sandbox/c_program.h"
#include "sandbox/work_folder.h"

namespace jiang {
namespace {

constexpr const char* kPython = "/usr/bin/python3";
constexpr size_t kMaxSourceBytes = size_t{1} << 20;

}  // namespace

bool has_python() { return access(kPython, X_OK) == 0; }

Result<PythonRun> run_python(Sandbox& sandbox, const PythonProgram& program) {
  if (program.source.size() > kMaxSourceBytes) {
    return fail(ErrorKind::too_large, "the program has {} bytes, at most {} are run",
                program.source.size(), kMaxSourceBytes);
  }
  if (!has_python()) {
    return fail(ErrorKind::unsupported, "no Python is installed: apt-get install python3");
  }
  TRY(const WorkFolder work, WorkFolder::create());
  if (!program.folder.empty()) {
    TRY_STATUS(copy_into_box(program.folder, work.path(), geteuid(), program.limits));
  }
  const std::string script = work.path() + "/program.py";
  TRY_STATUS(write_file(script, program.source));
  SandboxRequest request;
  // Isolated: neither the environment nor a file of the folder changes what Python itself does.
  request.command = {kPython, "-I", "-B", "program.py"};
  request.input = program.input;
  request.environment = {"PYTHONIOENCODING=utf-8"};
  request.folder = work.path();
  request.limits = program.limits;
  request.cancelled = program.cancelled;
  PythonRun result;
  TRY(result.run, sandbox.run(request));
  // An exception tells itself; the rest is explained as for C.
  if (result.run.end != SandboxResult::End::exited) {
    result.hint = explain_end(result.run, program.limits, true);
  }
  if (program.folder.empty()) return result;
  if (unlink(script.c_str()) != 0 && errno != ENOENT) {
    return fail(ErrorKind::io, "{}: {}", script, strerror(errno));
  }
  TRY(result.run.refused_files, copy_out_of_box(work.path(), program.folder, program.limits));
  return result;
}

}  // namespace jiang
