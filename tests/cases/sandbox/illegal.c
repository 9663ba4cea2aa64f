/* expect: signalled ILL
 */
int main(void) { __builtin_trap(); }