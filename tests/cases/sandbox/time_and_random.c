/* expect: exited 0
   out: 1
*/
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(void) {
  srand((unsigned)time(NULL));
  struct timespec t = {0, 1000};
  nanosleep(&t, 0);
  printf("%d\n", rand() >= 0);
  return 0;
}