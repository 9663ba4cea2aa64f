/* expect: exited 1
   never: escaped
*/
int main(void) {
  if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0) {
    puts("escaped");
    return 0;
  }
  return 1;
}