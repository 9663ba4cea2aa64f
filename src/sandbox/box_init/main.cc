// The first program of a bubblewrap box: starts what was asked for, waits for it, and tells how it
// ended, through the descriptor named by argv[1]: -1 when the box stands, then the status of
// waitpid(). bubblewrap itself would make one number of an exit code and a signal.
//
// Static, a few kilobytes of C: it runs under the same seccomp filter as the program. The program
// can kill it (they are of one user): then no status comes, and the box counts as killed.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv, char** environment) {
  if (argc < 3) return 125;
  const int report = atoi(argv[1]);
  const int started = -1;
  if (write(report, &started, sizeof(started)) != sizeof(started)) return 125;
  const pid_t program = fork();
  if (program < 0) return 125;
  if (program == 0) {
    close(report);
    execve(argv[2], argv + 2, environment);
    _exit(127);
  }
  int status = 0;
  // Orphans of the program become ours only in part; nobody waits for them: they die with the box.
  while (waitpid(program, &status, 0) < 0) {
  }
  return write(report, &status, sizeof(status)) == sizeof(status) ? 0 : 125;
}
