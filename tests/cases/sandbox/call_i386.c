/* expect: signalled SYS
   never: escaped
*/
#if defined(__x86_64__)
int main(void) {
  long r;
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
  printf("escaped %ld\n", r);
  return 0;
}
#else
int main(void) {
  raise(SIGSYS);
  return 0;
}
#endif