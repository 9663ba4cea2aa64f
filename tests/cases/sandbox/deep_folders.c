/* expect: any
   never: unbounded
*/
int main(void) {
  for (int i = 0; i < 10000000; i++) {
    if (mkdir("d", 0700) || chdir("d")) return 1;
  }
  puts("unbounded");
  return 0;
}