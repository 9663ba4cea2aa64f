/* expect: exited 0
   input: 3 4
   out: 7
*/
int main(void) {
  int a, b;
  if (scanf("%d %d", &a, &b) != 2) return 1;
  printf("%d\n", a + b);
  return 0;
}