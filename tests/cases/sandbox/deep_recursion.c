/* expect: signalled SEGV
 */
static int f(volatile int* n) {
  volatile char a[1024];
  a[0] = 1;
  *n += 1;
  return f(n) + a[0];
}
int main(void) {
  volatile int n = 0;
  return f(&n);
}