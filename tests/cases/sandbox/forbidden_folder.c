/* expect: exited 0
 */
int main(void) {
  mkdir("d", 0700);
  mkdir("d/e", 0700);
  close(open("d/e/f", O_CREAT | O_WRONLY, 0600));
  chmod("d/e", 0);
  chmod("d", 0);
  return 0;
}