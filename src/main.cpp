#include "cli/command.h"

int main(int argc, char** argv) { return jiang::run_jiang(argc, argv); }
