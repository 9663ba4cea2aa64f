/* expect: any
 */
int main(void) {
  kill(-1, SIGKILL);
  puts("alone");
  return 0;
}