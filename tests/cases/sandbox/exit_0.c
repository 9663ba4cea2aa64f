/* expect: exited 0
   out: ok
*/
int main(void) {
  puts("ok");
  return 0;
}