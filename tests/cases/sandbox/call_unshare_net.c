/* expect: any
   never: escaped
*/
int main(void) {
  errno = 0;
  long r = unshare(CLONE_NEWNET);
  if (r >= 0) puts("escaped");
  printf("refused %d\n", errno);
  return 0;
}