/* expect: exited 1
 */
int main(void) {
  char* p = malloc((size_t)10 << 30);
  if (!p) return 1;
  memset(p, 1, (size_t)10 << 30);
  return 0;
}