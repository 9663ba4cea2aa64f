#include "sandbox/child.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string_view>

#include "sandbox/box_folder.h"
#include "sandbox/output_window.h"
#include "sandbox/start_child.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;
using End = SandboxResult::End;

constexpr double kWatchSeconds = 0.05;
// A program that prints this many times what is kept will not stop by itself.
constexpr uint64_t kMaxOutputs = 256;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void close_once(int& descriptor) {
  if (descriptor >= 0) close(descriptor);
  descriptor = -1;
}

class Supervisor {
 public:
  Supervisor(StartedChild child, const ChildWatch& watch, const SandboxRequest& request)
      : child_(child),
        watch_(watch),
        request_(request),
        out_(request.limits.output_bytes),
        err_(request.limits.output_bytes) {}
  ~Supervisor() {
    close_once(child_.in);
    close_once(child_.out);
    close_once(child_.err);
    close_once(child_.pidfd);
  }
  Supervisor(const Supervisor&) = delete;

  SandboxResult supervise() {
    while (!is_over()) {
      wait_for_something();
      feed();
      drain(child_.out, out_);
      drain(child_.err, err_);
      if (!ended_) look_at_limits();
    }
    // What still holds the pipes is of the same group or the same namespace, which die now.
    kill_all();
    rusage usage = {};
    int status = 0;
    while (wait4(child_.pid, &status, 0, &usage) < 0 && errno == EINTR) {
    }
    drain(child_.out, out_);
    drain(child_.err, err_);
    return result(status, usage);
  }

 private:
  bool is_over() const { return ended_ || exited_; }

  void wait_for_something() {
    pollfd waits[] = {{child_.pidfd, POLLIN, 0},
                      {child_.out, POLLIN, 0},
                      {child_.err, POLLIN, 0},
                      {child_.in, POLLOUT, 0}};
    const double left = request_.limits.wall_seconds - seconds_since(start_);
    const int millis = static_cast<int>(1000 * std::clamp(left, 0.001, kWatchSeconds));
    poll(waits, 4, millis);
    exited_ = waits[0].revents != 0;
  }

  void feed() {
    if (child_.in < 0) return;
    while (n_fed_ < request_.input.size()) {
      const ssize_t n =
          write(child_.in, request_.input.data() + n_fed_, request_.input.size() - n_fed_);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) break;  // it reads no more
      n_fed_ += static_cast<size_t>(n);
    }
    close_once(child_.in);
  }

  static void drain(int& descriptor, OutputWindow& window) {
    char buffer[1 << 16];
    // At most a megabyte in one go: a program that prints for ever must not hold up the limits.
    for (int i = 0; i < 16 && descriptor >= 0; ++i) {
      const ssize_t n = read(descriptor, buffer, sizeof(buffer));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return close_once(descriptor);
      window.add({buffer, static_cast<size_t>(n)});
    }
  }

  void look_at_limits() {
    const SandboxLimits& limits = request_.limits;
    if (request_.cancelled && request_.cancelled->load(std::memory_order_relaxed)) {
      ended_ = End::cancelled;
    } else if (seconds_since(start_) >= limits.wall_seconds) {
      ended_ = End::timed_out;
    } else if (std::max(out_.total_bytes(), err_.total_bytes()) >
               kMaxOutputs * limits.output_bytes) {
      ended_ = End::output;
    } else if (!exited_ && seconds_since(last_look_) >= kWatchSeconds) {
      last_look_ = Clock::now();
      if (watch_.resident_bytes && watch_.resident_bytes(child_.pid) > limits.memory_bytes) {
        ended_ = End::memory;
      } else if (!watch_.folder.empty()) {
        const FolderUse use = folder_use(watch_.folder);
        // One file may be as large as all: the file-size limit stops a writer exactly there.
        if (use.bytes > limits.file_bytes + (64 << 10) || use.files > 4 * limits.files) {
          ended_ = End::disk;
        }
      }
    }
  }

  void kill_all() {
    syscall(SYS_kill, -child_.pid, SIGKILL);
    syscall(SYS_kill, child_.pid, SIGKILL);
  }

  SandboxResult result(int status, const rusage& usage) {
    SandboxResult result;
    result.out = out_.text();
    result.err = err_.text();
    result.out_cut = out_.is_cut();
    result.err_cut = err_.is_cut();
    result.wall_seconds = seconds_since(start_);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    result.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (ended_) {
      result.end = *ended_;
    } else if (WIFSIGNALED(status)) {
      result.signal = WTERMSIG(status);
      result.end = result.signal == SIGXCPU ? End::timed_out : End::signalled;
    } else {
      result.exit_code = WEXITSTATUS(status);
    }
    return result;
  }

  StartedChild child_;
  const ChildWatch& watch_;
  const SandboxRequest& request_;
  OutputWindow out_;
  OutputWindow err_;
  size_t n_fed_ = 0;
  bool exited_ = false;
  std::optional<End> ended_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_look_ = Clock::now();
};

}  // namespace

const char* name_of(SandboxResult::End end) {
  switch (end) {
    case End::exited:
      return "exited";
    case End::signalled:
      return "signalled";
    case End::timed_out:
      return "timed_out";
    case End::memory:
      return "memory";
    case End::disk:
      return "disk";
    case End::output:
      return "output";
    case End::cancelled:
      return "cancelled";
  }
  return "";
}

Result<SandboxResult> run_child(const ChildSetup& setup, const ChildWatch& watch,
                                const SandboxRequest& request) {
  TRY(const StartedChild child, start_child(setup, request));
  return Supervisor(child, watch, request).supervise();
}

uint64_t resident_bytes_below(pid_t root) {
  static const auto kPage = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t bytes = 0;
  std::vector<pid_t> todo = {root};
  // Bounded: a fork bomb makes no more than its limit, but it makes them while we look.
  for (size_t i = 0; i < todo.size() && i < 4096; ++i) {
    const std::string proc = "/proc/" + std::to_string(todo[i]);
    uint64_t total = 0, resident = 0;
    if (std::ifstream(proc + "/statm") >> total >> resident) bytes += resident * kPage;
    std::ifstream children(proc + "/task/" + std::to_string(todo[i]) + "/children");
    for (pid_t child = 0; children >> child;) todo.push_back(child);
  }
  return bytes;
}

}  // namespace jiang
