/* expect: compile_error
 */
#pragma GCC plugin "x"
#include "@/etc/passwd"
int main(void) { return 0; }
