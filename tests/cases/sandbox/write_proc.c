/* expect: exited 0
   never: escaped
*/
int main(void) {
  if (open("/proc/escaped", O_WRONLY | O_CREAT, 0600) >= 0) puts("escaped");
  return 0;
}