#include "train/documents.h"

#include <glob.h>

#include <algorithm>

#include "base/file.h"
#include "base/json_value.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMostBytes = size_t{4} << 30;  // of one file
constexpr size_t kMostShown = 5;

bool has_magic(const std::string& pattern) {
  return pattern.find_first_of("*?[") != std::string::npos;
}

}  // namespace

Result<std::vector<std::string>> expand_paths(const std::vector<std::string>& patterns,
                                              const std::string& folder) {
  std::vector<std::string> paths;
  for (const std::string& pattern : patterns) {
    const std::string whole =
        pattern.starts_with('/') || folder.empty() ? pattern : folder + "/" + pattern;
    if (!has_magic(whole)) {
      if (!is_regular_file(whole)) return fail(ErrorKind::not_found, "{}: no such file", whole);
      paths.push_back(whole);
      continue;
    }
    glob_t found{};
    const int status = ::glob(whole.c_str(), 0, nullptr, &found);
    for (size_t i = 0; status == 0 && i < found.gl_pathc; ++i) {
      if (is_regular_file(found.gl_pathv[i])) paths.emplace_back(found.gl_pathv[i]);
    }
    ::globfree(&found);
    if (status != 0) return fail(ErrorKind::not_found, "{}: matches no file", whole);
  }
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

Result<std::vector<JsonLine>> read_json_lines(const std::string& path, std::vector<BadLine>& bad) {
  TRY(const std::string text, read_file(path, kMostBytes));
  std::vector<JsonLine> lines;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto value = parse_json(line, path);
    if (!value) {
      bad.push_back({path, number, value.error().message});
    } else if (!value->is_object()) {
      bad.push_back({path, number, "not a JSON object"});
    } else {
      lines.push_back({*std::move(value), path, number});
    }
  }
  return lines;
}

Result<std::vector<Document>> read_documents(const std::vector<std::string>& paths,
                                             std::vector<BadLine>& bad) {
  std::vector<Document> documents;
  for (const std::string& path : paths) {
    if (path.ends_with(".jsonl")) {
      TRY(const auto lines, read_json_lines(path, bad));
      for (const JsonLine& line : lines) {
        const Json* text = find_member(line.value, "text");
        if (!text || !text->is_string()) {
          bad.push_back({path, line.line, "no string \"text\""});
        } else if (text->get_ref<const std::string&>().empty()) {
          bad.push_back({path, line.line, "\"text\" is empty"});
        } else {
          documents.push_back({text->get<std::string>(), path, line.line});
        }
      }
      continue;
    }
    TRY(std::string text, read_file(path, kMostBytes));
    if (!is_valid_utf8(text)) {
      bad.push_back({path, 0, "not UTF-8"});
    } else if (text.empty()) {
      bad.push_back({path, 0, "empty"});
    } else {
      documents.push_back({std::move(text), path, 0});
    }
  }
  return documents;
}

std::string describe_bad_lines(const std::vector<BadLine>& bad) {
  if (bad.empty()) return "";
  std::string text = fmt::format("{} {} left out: ", bad.size(), bad.size() == 1 ? "was" : "were");
  for (size_t i = 0; i < bad.size() && i < kMostShown; ++i) {
    text += fmt::format("{}{}{}: {}", i > 0 ? "; " : "", bad[i].file,
                        bad[i].line > 0 ? fmt::format(":{}", bad[i].line) : "", bad[i].why);
  }
  if (bad.size() > kMostShown) text += fmt::format("; and {} more", bad.size() - kMostShown);
  return text;
}

}  // namespace jiang
