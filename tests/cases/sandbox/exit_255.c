/* expect: exited 255
 */
int main(void) { exit(-1); }