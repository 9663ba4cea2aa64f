/* expect: exited 0
   refused: fifo
*/
int main(void) {
  if (mkfifo("fifo", 0600)) return 1;
  return 0;
}