#include "sandbox/proof.h"

#include "sandbox/c_program.h"

namespace jiang {
namespace {

// Prints one line for everything that it could do and should not have been able to; "held" at the
// end. Runs with the limits and the filter of any other program.
constexpr const char* kProbe = R"(#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void could(const char *what) { printf("could %s\n", what); }

static void try_open(const char *path, int flags) {
  int file = open(path, flags, 0600);
  if (file >= 0) could(path);
}

int main(void) {
  for (int file = 3; file < 64; file++)
    if (fcntl(file, F_GETFD) >= 0) could("see a descriptor of its parent");
  int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET, 40 /* AF_VSOCK */};
  for (unsigned i = 0; i < sizeof families / sizeof *families; i++)
    if (socket(families[i], SOCK_STREAM, 0) >= 0 || socket(families[i], SOCK_DGRAM, 0) >= 0)
      could("open a socket");
  const char *secret[] = {"/etc/shadow", "/etc/passwd", "/etc/hostname", "/root/.profile", "/home",
                          "/var/log", "/sys/kernel", "/proc/1/root/etc/passwd", "/dev/mem",
                          "/dev/kmsg", "/dev/sda", "/run/utmp"};
  for (unsigned i = 0; i < sizeof secret / sizeof *secret; i++) {
    struct stat about;
    char byte;
    int file = open(secret[i], O_RDONLY);
    if (file >= 0 && fstat(file, &about) == 0 && !S_ISDIR(about.st_mode) &&
        read(file, &byte, 1) == 1)
      could(secret[i]);
    if (file >= 0) close(file);
  }
  try_open("/escaped", O_WRONLY | O_CREAT);
  try_open("/usr/escaped", O_WRONLY | O_CREAT);
  try_open("/usr/bin/gcc", O_WRONLY);
  try_open("/etc/escaped", O_WRONLY | O_CREAT);
  try_open("/dev/escaped", O_WRONLY | O_CREAT);
  if (unshare(CLONE_NEWUSER) == 0) could("open a user namespace");
  if (unshare(CLONE_NEWNET) == 0) could("open a network namespace");
  if (mount("none", "/tmp", "tmpfs", 0, 0) == 0) could("mount");
  if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0) could("trace");
  if (syscall(SYS_bpf, 0, 0, 0) >= 0 || errno != EPERM) could("reach bpf");
  if (syscall(SYS_perf_event_open, 0, 0, -1, -1, 0) >= 0 || errno != EPERM) could("reach perf");
  if (syscall(425 /* io_uring_setup */, 1, 0) >= 0 || errno != EPERM) could("reach io_uring");
  if (syscall(SYS_keyctl, 0, 0, 0, 0, 0) >= 0 || errno != EPERM) could("reach the keyring");
  if (syscall(SYS_setns, -1, 0) >= 0 || errno != EPERM) could("enter a namespace");
  puts("held");
  return 0;
}
)";

}  // namespace

Status prove(Sandbox& sandbox) {
  TRY(const CRun probe, run_c(sandbox, {.source = kProbe}));
  if (!probe.run) {
    return fail(ErrorKind::unsupported, "the box's self-test did not compile: {}",
                probe.compile.err.substr(0, 300));
  }
  if (probe.run->out == "held\n" && probe.run->exit_code == 0) return ok();
  return fail(ErrorKind::io, "the box does not hold: its self-test {}",
              probe.run->out.empty()
                  ? std::string("ended as ") + name_of(probe.run->end) + " and said nothing"
                  : probe.run->out.substr(0, probe.run->out.find('\n')));
}

}  // namespace jiang
