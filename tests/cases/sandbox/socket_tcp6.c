/* expect: exited 1
   never: escaped
*/
int main(void) {
  if (socket(AF_INET6, SOCK_STREAM, 0) >= 0) {
    puts("escaped");
    return 0;
  }
  return 1;
}