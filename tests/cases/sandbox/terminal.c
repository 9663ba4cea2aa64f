/* expect: exited 0
   never: escaped
*/
#include <sys/ioctl.h>
int main(void) {
  char c = 10;
  if (ioctl(0, TIOCSTI, &c) == 0) puts("escaped");
  if (open("/dev/tty", O_RDWR) >= 0) puts("escaped");
  return 0;
}