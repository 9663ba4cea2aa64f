/* expect: exited 0
   out: bounded
*/
int main(void) {
  int n = 0;
  while (n < 5000 && open("/dev/null", O_RDONLY) >= 0) n++;
  puts(n < 100 ? "bounded" : "unbounded");
  return 0;
}