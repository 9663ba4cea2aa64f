/* expect: exited 0
   file: tool x
*/
int main(void) {
  int f = open("tool", O_CREAT | O_WRONLY, 0700);
  (void)!write(f, "x", 1);
  fchmod(f, 04755);
  return 0;
}