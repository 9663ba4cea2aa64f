/* expect: any
   never: escaped
*/
int main(void) {
  char b[64];
  int f = open("/dev/mem", O_RDONLY);
  ssize_t n = f < 0 ? -1 : read(f, b, sizeof b);
  if (n > 0 && !memmem(b, (size_t)n, "HOME=/work", 4)) puts("escaped");
  return 0;
}