/* expect: any
 */
static void* f(void* p) {
  char a[1 << 20];
  memset(a, 1, sizeof a);
  pause();
  return p;
}
int main(void) {
  pthread_t t;
  for (int i = 0; i < 500; i++)
    if (pthread_create(&t, 0, f, 0)) break;
  return 0;
}