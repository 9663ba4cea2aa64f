/* expect: compile_error
 */
__asm__(".incbin \"/etc/passwd\"");
int main(void) { return 0; }
