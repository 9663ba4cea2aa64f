/* expect: any
   never: unbounded
*/
int main(void) {
  size_t n = 0;
  for (;;) {
    char* p = malloc(1 << 20);
    if (!p) break;
    memset(p, 1, 1 << 20);
    n++;
  }
  printf("%s\n", n < 2048 ? "bounded" : "unbounded");
  return 0;
}