/* expect: exited 0
   out: bounded
*/
int main(void) {
  int n = 0, p[2];
  while (n < 5000 && pipe(p) == 0) n++;
  puts(n < 100 ? "bounded" : "unbounded");
  return 0;
}