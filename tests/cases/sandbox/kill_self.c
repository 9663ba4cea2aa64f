/* expect: signalled KILL
 */
int main(void) {
  raise(SIGKILL);
  return 0;
}