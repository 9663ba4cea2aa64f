/* expect: exited 0
 */
int main(void) {
  for (int i = 0; i < 4096; i++) putchar(i & 255);
  return 0;
}