/* expect: exited 0
   file: note.txt kept
*/
int main(void) {
  FILE* f = fopen("note.txt", "w");
  fputs("kept", f);
  return fclose(f);
}