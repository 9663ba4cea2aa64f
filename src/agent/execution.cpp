#include "agent/execution.h"

#include <algorithm>
#include <filesystem>

#include "agent/search.h"
#include "base/json_value.h"
#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxShown = 160;

// One line, at most kMaxShown bytes, cut between characters and saying so.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  if (text.size() <= kMaxShown) return text;
  text.resize(complete_utf8_prefix(std::string_view(text).substr(0, kMaxShown)));
  return text + " ...";
}

std::string ended(const SandboxResult& run) {
  if (run.end == SandboxResult::End::exited) return fmt::format("exit code {}", run.exit_code);
  if (run.end == SandboxResult::End::signalled)
    return fmt::format("killed by signal {}", run.signal);
  return std::string("stopped: ") + name_of(run.end);
}

Json files_json(const std::string& folder, const std::string& url) {
  Json files = Json::array();
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    if (entry->is_symlink(gone) || !entry->is_regular_file(gone)) continue;
    const std::string name = entry->path().filename().string();
    files.push_back({{"name", name},
                     {"bytes", static_cast<uint64_t>(entry->file_size(gone))},
                     {"url", url + percent_encoded(name)}});
  }
  std::sort(files.begin(), files.end(),
            [](const Json& a, const Json& b) { return a["name"] < b["name"]; });
  return files;
}

}  // namespace

Locale locale_of(std::string_view text) {
  while (!text.empty()) {
    const DecodedCodePoint next = decode_utf8(text);
    if (next.code_point >= 0x4E00 && next.code_point <= 0x9FFF) return Locale::chinese;
    text.remove_prefix(static_cast<size_t>(next.length));
  }
  return Locale::english;
}

bool ran_well(const CRun& result) {
  return result.compiled && result.run && result.run->end == SandboxResult::End::exited &&
         result.run->exit_code == 0;
}

namespace {

std::string run_text(const SandboxResult& run, const std::string& hint) {
  std::string text = ended(run) + "\n";
  if (!run.out.empty()) text += "stdout:\n" + run.out + "\n";
  if (!run.err.empty()) text += "stderr:\n" + run.err + "\n";
  if (!hint.empty()) text += hint + "\n";
  return text;
}

void add_run(Json& part, const SandboxResult& run, const std::string& folder,
             const std::string& files_url) {
  if (!folder.empty()) part["files"] = files_json(folder, files_url);
  part["out"] = run.out;
  part["err"] = run.err;
  part["end"] = name_of(run.end);
  if (run.end == SandboxResult::End::exited) part["exit_code"] = run.exit_code;
  if (run.end == SandboxResult::End::signalled) part["signal"] = run.signal;
}

}  // namespace

std::string execution_text(const CRun& result) {
  std::string text;
  if (!result.compile.err.empty()) text += "compiler:\n" + result.compile.err + "\n";
  if (!result.compiled) {
    text += "It did not compile.";
    return result.hint.empty() ? text : text + "\n" + result.hint;
  }
  if (result.compile.err.empty()) text += "compiled without warnings\n";
  if (!result.run) return text;
  return text + run_text(*result.run, result.hint);
}

std::string execution_text(const PythonRun& result) { return run_text(result.run, result.hint); }

Json execution_part(const CRun& result, const std::string& folder, const std::string& files_url) {
  Json part = {{"type", "execution"},
               {"compiled", result.compiled},
               {"diagnostics", result.compile.err},
               {"out", ""},
               {"err", ""},
               {"end", result.compiled ? "" : "compile_error"},
               {"exit_code", nullptr},
               {"hint", result.hint},
               {"files", Json::array()}};
  if (result.run) add_run(part, *result.run, folder, files_url);
  return part;
}

Json execution_part(const PythonRun& result, const std::string& folder,
                    const std::string& files_url) {
  Json part = {{"type", "execution"},  {"compiled", true},    {"diagnostics", ""},
               {"exit_code", nullptr}, {"hint", result.hint}, {"files", Json::array()}};
  add_run(part, result.run, folder, files_url);
  return part;
}

std::string verified_sentence(const CRun& result, const std::string& input, Locale locale) {
  const bool zh = locale == Locale::chinese;
  if (!result.compiled) {
    return zh ? "我编译了这个程序，但编译器报错，上面的代码还需要修改。"
              : "I compiled this program and the compiler refused it: the code above still needs "
                "work.";
  }
  const bool clean = result.compile.err.empty();
  std::string text =
      zh ? (clean ? "已验证：编译没有警告" : "已验证：可以编译，但有警告")
         : (clean ? "Verified: compiled without warnings" : "Verified: it compiles, with warnings");
  if (!result.run) return text + (zh ? "。" : ".");
  if (!input.empty()) {
    text += (zh ? "，输入 " : ", ran with input ") + one_line(input);
  } else {
    text += zh ? "，没有给它输入" : ", ran without input";
  }
  if (!ran_well(result)) {
    return text + (zh ? "，结果：" : "; it ended with: ") + ended(*result.run) + (zh ? "。" : ".");
  }
  const std::string out = one_line(result.run->out);
  if (out.empty()) return text + (zh ? "，没有输出。" : ", printed nothing.");
  return text + (zh ? "，输出：" : ", printed: ") + out;
}

}  // namespace jiang
