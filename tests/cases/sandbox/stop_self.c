/* expect: timed_out
 */
int main(void) {
  raise(SIGSTOP);
  for (;;) pause();
}