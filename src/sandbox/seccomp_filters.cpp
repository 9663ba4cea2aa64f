#include "sandbox/seccomp_filters.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace jiang {
namespace {

// What a compiled program needs for files of its own folder, memory, time, threads, signals and
// pipes, and what an interpreter needs at its start. Nothing here reaches another machine, another
// process's memory, or a part of the kernel that programs rarely use.
constexpr const char* kRunAllowed[] = {
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "lseek",
    "_llseek",
    "open",
    "openat",
    "openat2",
    "close",
    "close_range",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "fstatat64",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "chdir",
    "fchdir",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "truncate",
    "ftruncate",
    "fsync",
    "fdatasync",
    "flock",
    "fallocate",
    "fadvise64",
    "umask",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "mknod",
    "mknodat",
    "copy_file_range",
    "sendfile",
    "statfs",
    "fstatfs",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "fcntl",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "eventfd",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "msync",
    "mincore",
    "brk",
    "mlock",
    "munlock",
    "membarrier",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "kill",
    "tkill",
    "tgkill",
    "pause",
    "alarm",
    "getitimer",
    "setitimer",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_delete",
    "timer_getoverrun",
    "nanosleep",
    "clock_nanosleep",
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "times",
    "getpid",
    "gettid",
    "getppid",
    "getpgrp",
    "getpgid",
    "setpgid",
    "getsid",
    "setsid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "getpriority",
    "uname",
    "sysinfo",
    "getrusage",
    "getrlimit",
    "prlimit64",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "getcpu",
    "getrandom",
    "futex",
    "set_robust_list",
    "get_robust_list",
    "set_tid_address",
    "rseq",
    "arch_prctl",
    "restart_syscall",
    "execve",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "waitpid",
    "memfd_create",
    "prctl",
    "capget",
    "sigreturn",
    "shmget",
    "shmat",
    "shmdt",
    "shmctl",
    "semget",
    "semop",
    "semctl",
    "semtimedop",
};

// What no compiler needs and an attack would like.
constexpr const char* kCompileDenied[] = {
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "unshare",
    "setns",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "name_to_handle_at",
    "open_by_handle_at",
    "quotactl",
    "quotactl_fd",
    "acct",
    "swapon",
    "swapoff",
    "reboot",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "syslog",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "fanotify_init",
    "fanotify_mark",
    "inotify_init",
    "inotify_init1",
    "lookup_dcookie",
    "move_pages",
    "migrate_pages",
    "mbind",
    "set_mempolicy",
    "personality",
    "vhangup",
    "nfsservctl",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "mq_open",
    "mq_unlink",
    "msgget",
    "memfd_secret",
    "landlock_create_ruleset",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "setfsuid",
    "setfsgid",
    "capset",
};

// The namespaces that clone could open.
constexpr uint64_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

class Filter {
 public:
  explicit Filter(uint32_t otherwise) : context_(seccomp_init(otherwise)) {}
  ~Filter() { seccomp_release(context_); }
  Filter(const Filter&) = delete;

  // Calls that this architecture does not have are skipped.
  void rule(uint32_t action, const char* name) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number < 0) return;
    note(seccomp_rule_add(context_, action, number, 0));
  }
  void rule(uint32_t action, const char* name, scmp_arg_cmp argument) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number < 0) return;
    note(seccomp_rule_add_array(context_, action, number, 1, &argument));
  }

  Result<SeccompProgram> program() {
    if (error_ != 0) {
      return fail(ErrorKind::unsupported, "the seccomp filter could not be built: {}",
                  strerror(-error_));
    }
    const int file = memfd_create("seccomp", MFD_CLOEXEC);
    if (file < 0) return fail(ErrorKind::io, "memfd_create: {}", strerror(errno));
    SeccompProgram program;
    const int error = seccomp_export_bpf(context_, file);
    const off_t size = lseek(file, 0, SEEK_END);
    if (error == 0 && size > 0) {
      program.resize(static_cast<size_t>(size));
      if (pread(file, program.data(), program.size(), 0) != size) program.clear();
    }
    close(file);
    if (program.empty()) {
      return fail(ErrorKind::unsupported, "the seccomp filter could not be exported");
    }
    return program;
  }

 private:
  void note(int error) {
    // -EACCES: the rule says what happens anyway.
    if (error != 0 && error != -EACCES && error_ == 0) error_ = error;
  }

  scmp_filter_ctx context_;
  int error_ = 0;
};

}  // namespace

Result<SeccompProgram> seccomp_program(SandboxRequest::Profile profile, MayFork may_fork) {
  const bool is_run = profile == SandboxRequest::Profile::run;
  const uint32_t no = SCMP_ACT_ERRNO(EPERM);
  Filter filter(is_run ? no : static_cast<uint32_t>(SCMP_ACT_ALLOW));
  if (is_run) {
    for (const char* name : kRunAllowed) filter.rule(SCMP_ACT_ALLOW, name);
    // Of a terminal: its size and whether it is one. TIOCSTI would type into ours.
    for (const uint64_t request : {uint64_t{TCGETS}, uint64_t{TIOCGWINSZ}, uint64_t{FIONREAD},
                                   uint64_t{FIOCLEX}, uint64_t{FIONBIO}}) {
      filter.rule(SCMP_ACT_ALLOW, "ioctl", SCMP_A1_32(SCMP_CMP_EQ, static_cast<uint32_t>(request)));
    }
    if (may_fork == MayFork::yes) {
      filter.rule(SCMP_ACT_ALLOW, "clone", SCMP_A0_64(SCMP_CMP_MASKED_EQ, kNamespaceFlags, 0));
      filter.rule(SCMP_ACT_ALLOW, "fork");
      filter.rule(SCMP_ACT_ALLOW, "vfork");
    } else {
      // Threads of the same process only.
      filter.rule(SCMP_ACT_ALLOW, "clone",
                  SCMP_A0_64(SCMP_CMP_MASKED_EQ, kNamespaceFlags | CLONE_THREAD, CLONE_THREAD));
    }
  } else {
    for (const char* name : kCompileDenied) filter.rule(no, name);
    filter.rule(no, "ioctl", SCMP_A1_32(SCMP_CMP_EQ, TIOCSTI));
    for (const uint64_t flag :
         {uint64_t{CLONE_NEWNS}, uint64_t{CLONE_NEWCGROUP}, uint64_t{CLONE_NEWUTS},
          uint64_t{CLONE_NEWIPC}, uint64_t{CLONE_NEWUSER}, uint64_t{CLONE_NEWPID},
          uint64_t{CLONE_NEWNET}}) {
      filter.rule(no, "clone", SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag));
    }
  }
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  return filter.program();
}

}  // namespace jiang
