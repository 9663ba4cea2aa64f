/* expect: any
   never: unbounded
*/
int main(void) {
  char n[32];
  static char b[1 << 20];
  signal(SIGXFSZ, SIG_IGN);
  for (int i = 0; i < 100000; i++) {
    sprintf(n, "f%d", i);
    int f = open(n, O_WRONLY | O_CREAT, 0600);
    if (f < 0 || write(f, b, sizeof b) < 0) return 1;
    close(f);
  }
  puts("unbounded");
  return 0;
}