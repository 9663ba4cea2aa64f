/* expect: any
   out: threads bounded
*/
static void* f(void* p) {
  pause();
  return p;
}
int main(void) {
  int n = 0;
  pthread_t t;
  while (n < 500 && pthread_create(&t, 0, f, 0) == 0) n++;
  printf("threads %s\n", n < 64 ? "bounded" : "unbounded");
  return 0;
}