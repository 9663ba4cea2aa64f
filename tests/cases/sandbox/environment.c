/* expect: exited 0
   never: escaped
*/
extern char** environ;
int main(void) {
  for (char** e = environ; *e; e++)
    if (strncmp(*e, "PATH=", 5) && strncmp(*e, "LANG=", 5) && strncmp(*e, "HOME=", 5) &&
        strncmp(*e, "PWD=", 4) && strncmp(*e, "TMPDIR=", 7))
      puts("escaped");
  return 0;
}