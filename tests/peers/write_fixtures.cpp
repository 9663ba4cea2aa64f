// write_fixtures FOLDER: the tiny fixture of every family that GGUF can express, as
// FOLDER/NAME.gguf, for the peer suite.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "tests/support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_fixtures FOLDER\n");
    return 2;
  }
  try {
    for (const std::string& fixture : jiang::tiny_fixtures()) {
      if (!jiang::has_gguf_form(fixture)) continue;
      const jiang::TinyModel model = jiang::make_tiny_model(fixture);
      const std::string path = std::string(argv[1]) + "/" + fixture;
      jiang::write_gguf(model, path + ".gguf");
      // llama.cpp expects that model's special tokens of one with "phi3" in its name.
      const std::string folder = std::string(argv[1]) + "/" + (fixture == "phi3" ? "phi" : fixture);
      std::filesystem::create_directories(folder);
      jiang::write_hf_folder(model, folder);
    }
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "write_fixtures: %s\n", exception.what());
    return 1;
  }
  return 0;
}
