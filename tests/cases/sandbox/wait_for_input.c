/* expect: exited 3
 */
int main(void) { return getchar() == EOF ? 3 : 4; }