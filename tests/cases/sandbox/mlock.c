/* expect: exited 1
 */
int main(void) {
  char* p = mmap(0, 1 << 24, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return mlock(p, 1 << 24) == 0 ? 0 : 1;
}