/* expect: exited 0
   refused: link
*/
int main(void) {
  if (symlink("/etc/passwd", "link")) return 1;
  return 0;
}