/* expect: exited 0
   never: escaped
*/
int main(void) {
  for (int i = 3; i < 1024; i++)
    if (fcntl(i, F_GETFD) >= 0) puts("escaped");
  return 0;
}