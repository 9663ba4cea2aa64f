/* expect: signalled XFSZ
 */
int main(void) {
  int f = open("big", O_WRONLY | O_CREAT, 0600);
  static char b[1 << 20];
  for (int i = 0; i < 10000; i++)
    if (write(f, b, sizeof b) <= 0) return 1;
  return 0;
}