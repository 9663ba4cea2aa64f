/* expect: signalled ABRT
 */
int main(void) { abort(); }