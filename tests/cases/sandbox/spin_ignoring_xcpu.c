/* expect: timed_out
 */
int main(void) {
  signal(SIGXCPU, SIG_IGN);
  for (;;)
    ;
}