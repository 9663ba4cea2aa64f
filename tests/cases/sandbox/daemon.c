/* expect: exited 0
   out: left
   fallback: any
*/
int main(void) {
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      for (;;) sleep(1);
    }
    _exit(0);
  }
  puts("left");
  return 0;
}