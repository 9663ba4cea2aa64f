/* expect: signalled FPE
 */
int main(int c, char** v) {
  (void)v;
  volatile int z = c - 1;
  return 100 / z;
}