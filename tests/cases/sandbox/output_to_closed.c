/* expect: any
 */
int main(void) {
  close(0);
  close(1);
  close(2);
  sleep(60);
  return 0;
}