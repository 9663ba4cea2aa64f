/* expect: compile_error
 */
#include __FILE__
int main(void) { return 0; }
