/* expect: any
   never: unbounded
*/
int main(void) {
  int f = open("/dev/shm/x", O_WRONLY | O_CREAT, 0600);
  static char b[1 << 20];
  signal(SIGXFSZ, SIG_IGN);
  long n = 0;
  while (n < 4096 && write(f, b, sizeof b) > 0) n++;
  puts(n < 64 ? "bounded" : "unbounded");
  return 0;
}