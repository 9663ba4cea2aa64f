/* expect: any
 */
int main(void) {
  kill(0, SIGTERM);
  return 0;
}