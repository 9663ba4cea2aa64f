/* expect: any
 */
struct __attribute__((aligned(268435456))) s {
  char c;
};
struct s a[16];
int main(void) { return a[0].c; }
