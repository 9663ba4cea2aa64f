/* expect: any
   out: forks bounded
*/
int main(void) {
  int n = 0;
  for (; n < 500; n++) {
    pid_t p = fork();
    if (p < 0) break;
    if (p == 0) {
      pause();
      _exit(0);
    }
  }
  printf("forks %s\n", n < 64 ? "bounded" : "unbounded");
  fflush(stdout);
  return 0;
}