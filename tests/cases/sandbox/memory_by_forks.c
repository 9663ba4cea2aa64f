/* expect: any
 */
int main(void) {
  for (int i = 0; i < 64; i++)
    if (fork() == 0) {
      for (;;) {
        char* p = malloc(1 << 20);
        if (!p) pause();
        memset(p, 1, 1 << 20);
      }
    }
  pause();
  return 0;
}