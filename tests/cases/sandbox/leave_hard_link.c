/* expect: any
   never: escaped
*/
int main(void) {
  if (link("/usr/bin/gcc", "gcc") == 0) puts("escaped");
  return 0;
}