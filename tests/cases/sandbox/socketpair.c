/* expect: exited 1
 */
int main(void) {
  int s[2];
  return socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 ? 0 : 1;
}