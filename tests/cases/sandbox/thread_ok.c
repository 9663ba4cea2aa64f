/* expect: exited 0
   out: 7
*/
static void* f(void* p) {
  *(int*)p = 7;
  return 0;
}
int main(void) {
  int x = 0;
  pthread_t t;
  if (pthread_create(&t, 0, f, &x)) return 1;
  pthread_join(t, 0);
  printf("%d\n", x);
  return 0;
}