/* expect: exited 1
   never: escaped
*/
int main(void) {
  if (socket(38, SOCK_SEQPACKET, 0) >= 0) {
    puts("escaped");
    return 0;
  }
  return 1;
}