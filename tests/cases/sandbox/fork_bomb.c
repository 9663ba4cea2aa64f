/* expect: timed_out
   fallback: any
*/
int main(void) {
  for (;;)
    if (fork() < 0) usleep(1000);
}