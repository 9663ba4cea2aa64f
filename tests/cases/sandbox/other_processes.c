/* expect: exited 0
   never: escaped
*/
#include <dirent.h>
int main(void) {
  DIR* d = opendir("/proc");
  int n = 0;
  struct dirent* e;
  while (d && (e = readdir(d)))
    if (e->d_name[0] >= 49 && e->d_name[0] <= 57) n++;
  puts(n < 10 ? "few" : "escaped");
  return 0;
}