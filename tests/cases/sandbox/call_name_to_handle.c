/* expect: any
   never: escaped
*/
int main(void) {
  errno = 0;
  long r = syscall(SYS_name_to_handle_at, AT_FDCWD, "/", 0, 0, 0);
  if (r >= 0) puts("escaped");
  printf("refused %d\n", errno);
  return 0;
}