/* expect: exited 0
   refused: folder
*/
int main(void) {
  if (mkdir("folder", 0700)) return 1;
  return 0;
}