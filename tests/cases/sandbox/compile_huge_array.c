/* expect: any
 */
int a[1000000000] = {1};
int main(void) { return a[0] - 1; }
