#include "sandbox/start_child.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace jiang {
namespace {

constexpr int kFirstGiven = 3;
constexpr int kMaxGiven = 8;
// Where descriptors wait until they are put to 3, 4, ...: above all that are given.
constexpr int kParking = 64;

#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

struct Limit {
  int resource;
  rlim_t value;
};

// All that the child needs, ready-made: it runs in our memory until exec (vfork).
struct Plan {
  std::vector<char*> argv;
  std::vector<char*> envp;
  const char* folder = nullptr;
  int in = -1, out = -1, err = -1;
  int failure = -1;  // tells of an exec that did not happen; the child moves it
  const int* given = nullptr;
  int n_given = 0;
  bool change_user = false;
  uid_t user = 0;
  int landlock = -1;
  sock_fprog filter = {};
  std::vector<Limit> limits;
  sigset_t old_mask = {};
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// Threads count towards RLIMIT_NPROC.
rlim_t processes_of(uid_t user) {
  rlim_t n = 0;
  DIR* proc = opendir("/proc");
  if (!proc) return n;
  while (const dirent* entry = readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const std::string path = std::string("/proc/") + entry->d_name;
    struct stat about = {};
    if (stat(path.c_str(), &about) != 0 || about.st_uid != user) continue;
    struct stat tasks = {};
    if (stat((path + "/task").c_str(), &tasks) == 0 && tasks.st_nlink > 2) n += tasks.st_nlink - 2;
  }
  closedir(proc);
  return n;
}

std::vector<Limit> limits_of(const ChildSetup& setup, const SandboxRequest& request) {
  const SandboxLimits& limits = request.limits;
  const auto seconds = static_cast<rlim_t>(limits.cpu_seconds + 0.999);
  rlim_t processes = static_cast<rlim_t>(limits.processes) + 3;  // bubblewrap's two, and the init
  if (setup.count_own_processes) processes += processes_of(geteuid());
  std::vector<Limit> out = {
      {RLIMIT_CPU, seconds},     {RLIMIT_FSIZE, limits.file_bytes},
      {RLIMIT_NOFILE, 64},       {RLIMIT_CORE, 0},
      {RLIMIT_NPROC, processes}, {RLIMIT_STACK, rlim_t{8} << 20},
      {RLIMIT_MEMLOCK, 0},       {RLIMIT_MSGQUEUE, 0},
      {RLIMIT_SIGPENDING, 64},
  };
  // Twice: a process maps more than it uses. The sum of what is resident is watched.
  if (!request.maps_freely) out.push_back({RLIMIT_AS, 2 * limits.memory_bytes});
  return out;
}

void write_text(const char* path, const char* text, size_t size) {
  const auto file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0));
  if (file < 0) return;
  [[maybe_unused]] const long n = syscall(SYS_write, file, text, size);
  syscall(SYS_close, file);
}

// In the child. Returns only when something failed: the number of the step, errno beside it.
int become(Plan& plan) {
  if (syscall(SYS_setsid) < 0) return 1;
  // Away from the low numbers first, so that none is overwritten before it was moved.
  const int standard[3] = {plan.in, plan.out, plan.err};
  int parked[3 + kMaxGiven];
  for (int i = 0; i < 3 + plan.n_given; ++i) {
    const int from = i < 3 ? standard[i] : plan.given[i - 3];
    parked[i] = static_cast<int>(syscall(SYS_fcntl, from, F_DUPFD_CLOEXEC, kParking));
    if (parked[i] < 0) return 2;
  }
  plan.failure = static_cast<int>(syscall(SYS_fcntl, plan.failure, F_DUPFD_CLOEXEC, kParking));
  const int landlock =
      plan.landlock < 0
          ? -1
          : static_cast<int>(syscall(SYS_fcntl, plan.landlock, F_DUPFD_CLOEXEC, kParking));
  for (int i = 0; i < 3 + plan.n_given; ++i) {
    if (syscall(SYS_dup3, parked[i], i, 0) < 0) return 3;
  }
  // Everything else goes at exec.
  syscall(SYS_close_range, kFirstGiven + plan.n_given, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  if (syscall(SYS_chdir, plan.folder) < 0) return 4;

  write_text("/proc/self/oom_score_adj", "1000", 4);
  syscall(SYS_setpriority, PRIO_PROCESS, 0, 19);
  if (plan.change_user) {
    if (syscall(SYS_setgroups, 0, nullptr) < 0) return 5;
    if (syscall(SYS_setresgid, plan.user, plan.user, plan.user) < 0) return 5;
    if (syscall(SYS_setresuid, plan.user, plan.user, plan.user) < 0) return 5;
  }
  for (const Limit& limit : plan.limits) {
    // Past the soft limit of processor time comes SIGXCPU, which says what happened; past the hard
    // one, SIGKILL, which does not.
    const rlimit both = {limit.value, limit.value + (limit.resource == RLIMIT_CPU ? 1 : 0)};
    if (syscall(SYS_prlimit64, 0, limit.resource, &both, nullptr) < 0) return 6;
  }
  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return 7;
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (landlock >= 0 && syscall(SYS_landlock_restrict_self, landlock, 0) < 0) return 8;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &plan.old_mask, nullptr, 8);
  if (plan.filter.len > 0 &&
      syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &plan.filter, 0, 0) < 0) {
    return 9;
  }
  syscall(SYS_execve, plan.argv[0], plan.argv.data(), plan.envp.data());
  return 10;
}

// The child of vfork must not return from the function that called it.
[[gnu::noinline]] pid_t spawn(Plan& plan) {
  const pid_t pid = vfork();
  if (pid != 0) return pid;
  const int step = become(plan);
  const int report[2] = {step, errno};
  [[maybe_unused]] const long n = syscall(SYS_write, plan.failure, report, sizeof(report));
  syscall(SYS_exit_group, 127);
  __builtin_unreachable();
}

void close_all(std::initializer_list<int> descriptors) {
  for (const int descriptor : descriptors) {
    if (descriptor >= 0) close(descriptor);
  }
}

const char* name_of_step(int step) {
  switch (step) {
    case 5:
      return "changing the user";
    case 6:
      return "setting its limits";
    case 8:
      return "entering Landlock";
    case 9:
      return "entering the seccomp filter";
    case 10:
      return "starting it";
    default:
      return "preparing it";
  }
}

}  // namespace

Result<StartedChild> start_child(const ChildSetup& setup, const SandboxRequest& request) {
  JIANG_CHECK(setup.descriptors.size() <= kMaxGiven, "too many descriptors for a box");
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, failure[2] = {-1, -1};
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 ||
      pipe2(failure, O_CLOEXEC) != 0) {
    const int error = errno;
    close_all({in[0], in[1], out[0], out[1], err[0], err[1], failure[0], failure[1]});
    return fail(ErrorKind::io, "no pipes for a box: {}", strerror(error));
  }

  Plan plan;
  plan.argv = pointers(setup.command);
  plan.envp = pointers(setup.environment);
  plan.folder = setup.folder.c_str();
  plan.in = in[0], plan.out = out[1], plan.err = err[1], plan.failure = failure[1];
  plan.given = setup.descriptors.data();
  plan.n_given = static_cast<int>(setup.descriptors.size());
  plan.change_user = setup.user.has_value();
  plan.user = setup.user.value_or(0);
  plan.landlock = setup.landlock;
  plan.limits = limits_of(setup, request);
  if (setup.filter) {
    plan.filter.len = static_cast<unsigned short>(setup.filter->size() / sizeof(sock_filter));
    plan.filter.filter =
        reinterpret_cast<sock_filter*>(const_cast<std::byte*>(setup.filter->data()));
  }

  // No handler of ours may run in the child, which shares our memory until exec.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &plan.old_mask);
  const pid_t pid = spawn(plan);
  const int spawn_error = errno;
  pthread_sigmask(SIG_SETMASK, &plan.old_mask, nullptr);
  close_all({in[0], out[1], err[1], failure[1]});

  int report[2] = {0, 0};
  const ssize_t n_reported = pid < 0 ? 0 : read(failure[0], report, sizeof(report));
  close(failure[0]);
  if (pid < 0 || n_reported == sizeof(report)) {
    close_all({in[1], out[0], err[0]});
    if (pid >= 0) syscall(SYS_wait4, pid, nullptr, 0, nullptr);
    return fail(ErrorKind::io, "{}: {} failed: {}", setup.command[0],
                pid < 0 ? "vfork" : name_of_step(report[0]),
                strerror(pid < 0 ? spawn_error : report[1]));
  }
  for (const int ours : {in[1], out[0], err[0]}) fcntl(ours, F_SETFL, O_NONBLOCK);
  return StartedChild{.pid = pid,
                      .pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0)),
                      .in = in[1],
                      .out = out[0],
                      .err = err[0]};
}

}  // namespace jiang
