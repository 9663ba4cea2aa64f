#include "sandbox/c_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "sandbox/box_folder.h"
#include "sandbox/work_folder.h"

namespace jiang {
namespace {

constexpr const char* kCompiler = "/usr/bin/gcc";
constexpr size_t kMaxSourceBytes = size_t{1} << 20;
// gcc, cc1, as, collect2, ld: a program of a page needs a tenth of this.
constexpr SandboxLimits kCompileLimits = {.wall_seconds = 10,
                                          .cpu_seconds = 10,
                                          .memory_bytes = uint64_t{512} << 20,
                                          .processes = 32,
                                          .file_bytes = uint64_t{32} << 20,
                                          .files = 64};

std::string name_of_signal(int number) {
  const char* name = sigabbrev_np(number);
  return name ? std::string("SIG") + name : "signal " + std::to_string(number);
}

}  // namespace

std::string explain_end(const SandboxResult& result, const SandboxLimits& limits, bool sanitized) {
  using End = SandboxResult::End;
  switch (result.end) {
    case End::exited:
      return "";
    case End::timed_out:
      return fmt::format(
          "it was stopped after {} s: does a loop never end, or does it wait for input that does "
          "not come?",
          result.wall_seconds < limits.wall_seconds ? limits.cpu_seconds : limits.wall_seconds);
    case End::memory:
      return fmt::format("it was stopped: it used more than {} MiB of memory",
                         limits.memory_bytes >> 20);
    case End::disk:
      return fmt::format("it was stopped: it wrote more than {} MiB or too many files",
                         limits.file_bytes >> 20);
    case End::output:
      return "it was stopped: it printed without end";
    case End::cancelled:
      return "it was stopped by the user";
    case End::signalled:
      break;
  }
  const std::string name = name_of_signal(result.signal);
  const std::string where =
      sanitized ? "" : "; run it again with -fsanitize=address to see the line";
  switch (result.signal) {
    case SIGSEGV:
    case SIGBUS:
      return name +
             ": it used memory that is not its own (a null or dangling pointer, an index "
             "beyond an array's end, or a recursion without end)" +
             where;
    case SIGFPE:
      return name + ": it divided an integer by zero";
    case SIGABRT:
      return name + ": it stopped itself (abort, a failed assert, or a damaged heap)" + where;
    case SIGILL:
      return name + ": it ran into an instruction that does not exist" + where;
    case SIGXFSZ:
      return fmt::format("{}: it wrote a file of more than {} MiB", name, limits.file_bytes >> 20);
    case SIGSYS:
      return name + ": it asked the system for something that the box refuses";
    case SIGPIPE:
      return name + ": it wrote to a pipe that nobody reads";
    default:
      return name;
  }
}

Result<CRun> run_c(Sandbox& sandbox, const CProgram& program) {
  if (program.source.size() > kMaxSourceBytes) {
    return fail(ErrorKind::too_large, "the program has {} bytes, at most {} are compiled",
                program.source.size(), kMaxSourceBytes);
  }
  if (access(kCompiler, X_OK) != 0) {
    return fail(ErrorKind::unsupported, "no C compiler is installed: apt-get install gcc");
  }
  TRY(const WorkFolder work, WorkFolder::create());
  TRY_STATUS(write_file(work.path() + "/main.c", program.source));

  SandboxRequest compile;
  compile.command = {
      kCompiler, "-std=c17", "-Wall", "-Wextra", "-O1", "-g", "-fdiagnostics-color=never"};
  if (program.warnings_are_errors) compile.command.push_back("-Werror");
  if (program.sanitize) compile.command.push_back("-fsanitize=address,undefined");
  compile.command.insert(compile.command.end(), {"-o", "program", "main.c", "-lm"});
  compile.folder = work.path();
  compile.limits = kCompileLimits;
  compile.profile = SandboxRequest::Profile::compile;
  compile.cancelled = program.cancelled;

  CRun result;
  TRY(result.compile, sandbox.run(compile));
  result.compiled = result.compile.end == SandboxResult::End::exited &&
                    result.compile.exit_code == 0 && is_regular_file(work.path() + "/program");
  if (!result.compiled) {
    if (result.compile.end != SandboxResult::End::exited) {
      result.hint = "the compiler: " + explain_end(result.compile, kCompileLimits, true);
    }
    return result;
  }
  if (!program.run) return result;

  // The program alone, and the caller's files beside it.
  if (unlink((work.path() + "/main.c").c_str()) != 0) {
    return fail(ErrorKind::io, "{}/main.c: {}", work.path(), strerror(errno));
  }
  SandboxLimits folder_limits = program.run_limits;
  folder_limits.file_bytes += kCompileLimits.file_bytes;
  if (!program.folder.empty()) {
    TRY_STATUS(copy_into_box(program.folder, work.path(), geteuid(), program.run_limits));
  }
  SandboxRequest run;
  run.command = {"/work/program"};
  run.command.insert(run.command.end(), program.arguments.begin(), program.arguments.end());
  run.input = program.input;
  run.folder = work.path();
  run.limits = program.run_limits;
  run.limits.file_bytes += kCompileLimits.file_bytes;  // the program itself lies there too
  run.maps_freely = program.sanitize;
  // Leaks need ptrace, which the box refuses.
  if (program.sanitize) run.environment = {"ASAN_OPTIONS=detect_leaks=0"};
  run.cancelled = program.cancelled;
  TRY(result.run, sandbox.run(run));
  result.hint = explain_end(*result.run, program.run_limits, program.sanitize);
  if (!program.folder.empty()) {
    if (unlink((work.path() + "/program").c_str()) != 0 && errno != ENOENT) {
      return fail(ErrorKind::io, "{}/program: {}", work.path(), strerror(errno));
    }
    TRY(const auto refused, copy_out_of_box(work.path(), program.folder, program.run_limits));
    result.run->refused_files.insert(result.run->refused_files.end(), refused.begin(),
                                     refused.end());
  }
  return result;
}

}  // namespace jiang
