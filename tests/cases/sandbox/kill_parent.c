/* expect: any
 */
int main(void) {
  kill(getppid(), SIGKILL);
  sleep(1);
  return 0;
}