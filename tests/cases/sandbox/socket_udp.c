/* expect: exited 1
   never: escaped
*/
int main(void) {
  if (socket(AF_INET, SOCK_DGRAM, 0) >= 0) {
    puts("escaped");
    return 0;
  }
  return 1;
}