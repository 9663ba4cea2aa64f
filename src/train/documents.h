// Documents: the texts that a model learns from, out of .txt files (one document each) and .jsonl
// files (one object a line, its text in the member "text").
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"

namespace jiang {

struct Document {
  std::string text;
  std::string file;
  size_t line = 0;  // of a .jsonl; 0: the whole file
};

// What could not be used, and where: reported and counted, never silently dropped.
struct BadLine {
  std::string file;
  size_t line = 0;
  std::string why;
};

// Patterns ("corpus/*.txt", as of the shell) and plain paths, relative to `folder` unless absolute;
// sorted, without repeats. A pattern that matches nothing is an error.
Result<std::vector<std::string>> expand_paths(const std::vector<std::string>& patterns,
                                              const std::string& folder);

// The lines of a .jsonl that are objects; the others go to `bad`. Empty lines are nothing.
struct JsonLine {
  Json value;
  std::string file;
  size_t line;
};
Result<std::vector<JsonLine>> read_json_lines(const std::string& path, std::vector<BadLine>& bad);

Result<std::vector<Document>> read_documents(const std::vector<std::string>& paths,
                                             std::vector<BadLine>& bad);

// "3 lines were left out: data.jsonl:7: ...; ..." or "" for none.
std::string describe_bad_lines(const std::vector<BadLine>& bad);

}  // namespace jiang
