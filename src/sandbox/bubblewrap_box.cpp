// Namespaces by bubblewrap: nothing of the host but /usr, read-only; no network; processes of its
// own, all of which die with the box.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/ascii.h"
#include "base/file.h"
#include "base/owned_descriptor.h"
#include "sandbox/box_folder.h"
#include "sandbox/box_init_bytes.h"
#include "sandbox/boxes.h"
#include "sandbox/child.h"
#include "sandbox/slots.h"

namespace jiang {
namespace {

constexpr const char* kBubblewrap = "/usr/bin/bwrap";
// Descriptors of the command, in the order of ChildSetup::descriptors.
constexpr int kFilterDescriptor = 3;
constexpr int kStatusDescriptor = 4;
constexpr int kInfoDescriptor = 5;
constexpr int kMillisToDie = 5000;

// Waits until every process of the box is gone. bubblewrap ends when the program does; the first
// process of the namespace, whose number it told as {"child-pid": N}, ends after all others.
void wait_for_namespace(int info) {
  char text[256] = {};
  if (read(info, text, sizeof(text) - 1) <= 0) return;
  const char* number = strstr(text, "\"child-pid\":");
  if (!number) return;
  const pid_t first = atoi(number + strlen("\"child-pid\":"));
  const auto pidfd = static_cast<int>(first > 0 ? syscall(SYS_pidfd_open, first, 0) : -1);
  if (pidfd < 0) return;
  pollfd wait = {pidfd, POLLIN, 0};
  poll(&wait, 1, kMillisToDie);
  close(pidfd);
}

class BubblewrapBox : public Sandbox {
 public:
  BubblewrapBox(std::unique_ptr<Slots> slots, SeccompProgram compile, SeccompProgram run)
      : slots_(std::move(slots)), compile_(std::move(compile)), run_(std::move(run)) {}

  Kind kind() const override { return Kind::bubblewrap; }
  int parallel() const override { return slots_->count(); }

  Result<SandboxResult> run(const SandboxRequest& request) override {
    JIANG_CHECK(!request.command.empty(), "a box without a command");
    TRY(const auto slot, slots_->take());
    if (!request.folder.empty()) {
      TRY_STATUS(copy_into_box(request.folder, slot->folder(), slot->user().value_or(geteuid()),
                               request.limits));
    }
    const bool is_run = request.profile == SandboxRequest::Profile::run;
    const SeccompProgram& filter = is_run ? run_ : compile_;
    const OwnedDescriptor filter_file(memfd_create("seccomp", MFD_CLOEXEC));
    if (filter_file.get() < 0 ||
        write(filter_file.get(), filter.data(), filter.size()) !=
            static_cast<ssize_t>(filter.size()) ||
        lseek(filter_file.get(), 0, SEEK_SET) != 0) {
      return fail(ErrorKind::io, "no memory for the box's filter: {}", strerror(errno));
    }
    int status_pipe[2];
    if (pipe2(status_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
      return fail(ErrorKind::io, "no pipe for a box: {}", strerror(errno));
    }
    const OwnedDescriptor status_read(status_pipe[0]);
    OwnedDescriptor status_write(status_pipe[1]);
    int info_pipe[2];
    if (pipe2(info_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
      return fail(ErrorKind::io, "no pipe for a box: {}", strerror(errno));
    }
    const OwnedDescriptor info_read(info_pipe[0]);
    OwnedDescriptor info_write(info_pipe[1]);

    const ChildSetup setup = {
        .command = command(request, slot->folder()),
        .environment = {},
        .folder = "/",
        .user = slot->user(),
        .filter = nullptr,
        .descriptors = {filter_file.get(), status_write.get(), info_write.get()},
        .count_own_processes = !slot->user()};
    const ChildWatch watch = {.resident_bytes = resident_bytes_below, .folder = slot->folder()};
    TRY(SandboxResult result, run_child(setup, watch, request));
    status_write.close_now();
    info_write.close_now();
    wait_for_namespace(info_read.get());
    TRY_STATUS(read_status(status_read.get(), result));
    if (!request.folder.empty()) {
      TRY(result.refused_files, copy_out_of_box(slot->folder(), request.folder, request.limits));
    }
    return result;
  }

 private:
  std::vector<std::string> command(const SandboxRequest& request, const std::string& folder) const {
    const std::string tmp_bytes = std::to_string(request.limits.file_bytes);
    std::vector<std::string> argv = {kBubblewrap,        "--unshare-all",     "--unshare-user",
                                     "--disable-userns", "--die-with-parent", "--new-session",
                                     "--clearenv"};
    for (const std::string& variable : box_environment(request)) {
      const size_t equals = variable.find('=');
      argv.insert(argv.end(),
                  {"--setenv", variable.substr(0, equals), variable.substr(equals + 1)});
    }
    argv.insert(argv.end(), {"--ro-bind", "/usr", "/usr"});
    for (const char* name : {"bin", "sbin", "lib", "lib64", "lib32"}) {
      const std::string path = std::string("/") + name;
      struct stat about = {};
      if (lstat(path.c_str(), &about) != 0) continue;
      if (S_ISLNK(about.st_mode)) {
        argv.insert(argv.end(), {"--symlink", "usr" + path, path});
      } else {
        argv.insert(argv.end(), {"--ro-bind", path, path});
      }
    }
    // The root and /dev are small file systems of memory: made read-only, so that they stay small.
    argv.insert(argv.end(), {"--proc",
                             "/proc",
                             "--dev",
                             "/dev",
                             "--size",
                             "1048576",
                             "--tmpfs",
                             "/dev/shm",
                             "--remount-ro",
                             "/dev",
                             "--size",
                             tmp_bytes,
                             "--tmpfs",
                             "/tmp",
                             "--bind",
                             folder,
                             "/work",
                             "--ro-bind",
                             slots_->root() + "/init",
                             "/init",
                             "--chdir",
                             "/work",
                             "--remount-ro",
                             "/",
                             "--info-fd",
                             std::to_string(kInfoDescriptor),
                             "--seccomp",
                             std::to_string(kFilterDescriptor),
                             "--",
                             "/init",
                             std::to_string(kStatusDescriptor)});
    argv.insert(argv.end(), request.command.begin(), request.command.end());
    return argv;
  }

  // How the program ended, as its init saw it.
  static Status read_status(int descriptor, SandboxResult& result) {
    if (result.end != SandboxResult::End::exited && result.end != SandboxResult::End::signalled) {
      return ok();
    }
    int reports[2] = {0, 0};  // the box stands; how the program ended
    const ssize_t n = read(descriptor, reports, sizeof(reports));
    if (n < static_cast<ssize_t>(sizeof(int))) {
      // bubblewrap's word for a kernel, container or chroot in which there are no user namespaces.
      const bool is_refused = contains(result.err, "No permissions to create new namespace");
      return fail(is_refused ? ErrorKind::unsupported : ErrorKind::io, "the box did not start: {}",
                  result.err.substr(0, result.err.find('\n')));
    }
    if (n < static_cast<ssize_t>(sizeof(reports))) {
      // The program killed its init, and so itself.
      result.end = SandboxResult::End::signalled;
      result.signal = SIGKILL;
      return ok();
    }
    const int status = reports[1];
    result.exit_code = 0;
    result.signal = 0;
    if (WIFSIGNALED(status)) {
      result.signal = WTERMSIG(status);
      result.end =
          result.signal == SIGXCPU ? SandboxResult::End::timed_out : SandboxResult::End::signalled;
    } else {
      result.exit_code = WEXITSTATUS(status);
      result.end = SandboxResult::End::exited;
    }
    return ok();
  }

  const std::unique_ptr<Slots> slots_;
  const SeccompProgram compile_;
  const SeccompProgram run_;
};

}  // namespace

Result<std::unique_ptr<Sandbox>> open_bubblewrap_box(int n_slots) {
  if (access(kBubblewrap, X_OK) != 0) {
    return fail(ErrorKind::unsupported, "bubblewrap is not installed: apt-get install bubblewrap");
  }
  TRY(auto slots, Slots::create(n_slots));
  const auto program = box_init_program();
  const std::string path = slots->root() + "/init";
  TRY_STATUS(write_file(
      path, std::string_view(reinterpret_cast<const char*>(program.data()), program.size())));
  if (chmod(path.c_str(), 0755) != 0) return fail(ErrorKind::io, "{}: {}", path, strerror(errno));
  TRY(auto compile, seccomp_program(SandboxRequest::Profile::compile, MayFork::yes));
  TRY(auto run, seccomp_program(SandboxRequest::Profile::run, MayFork::yes));
  return std::unique_ptr<Sandbox>(
      new BubblewrapBox(std::move(slots), std::move(compile), std::move(run)));
}

}  // namespace jiang
