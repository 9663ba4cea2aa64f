/* expect: timed_out
 */
int main(void) {
  for (;;)
    ;
}