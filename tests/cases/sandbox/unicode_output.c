/* expect: exited 0
   out: 你好
*/
int main(void) {
  puts("你好");
  return 0;
}