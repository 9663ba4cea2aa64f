/* expect: any
   never: escaped
*/
int main(void) {
  errno = 0;
  long r = syscall(SYS_add_key, "user", "a", "b", 1, -1);
  if (r >= 0) puts("escaped");
  printf("refused %d\n", errno);
  return 0;
}