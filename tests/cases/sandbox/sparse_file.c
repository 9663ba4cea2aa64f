/* expect: any
 */
int main(void) {
  int f = open("big", O_WRONLY | O_CREAT, 0600);
  return ftruncate(f, (off_t)1 << 40) == 0 ? 0 : 1;
}