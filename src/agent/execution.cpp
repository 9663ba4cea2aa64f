#include "agent/execution.h"

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

}  // namespace

bool ran_well(const CRun& result) {
  return result.compiled && result.run && result.run->end == SandboxResult::End::exited &&
         result.run->exit_code == 0;
}

std::string execution_text(const CRun& result) {
  std::string text;
  if (!result.compile.err.empty()) text += "compiler:\n" + result.compile.err + "\n";
  if (!result.compiled) {
    text += "It did not compile.";
    return result.hint.empty() ? text : text + "\n" + result.hint;
  }
  if (result.compile.err.empty()) text += "compiled without warnings\n";
  if (!result.run) return text;
  text += ended(*result.run) + "\n";
  if (!result.run->out.empty()) text += "stdout:\n" + result.run->out + "\n";
  if (!result.run->err.empty()) text += "stderr:\n" + result.run->err + "\n";
  if (!result.hint.empty()) text += result.hint + "\n";
  return text;
}

Json execution_part(const CRun& result) {
  Json part = {{"type", "execution"},
               {"compiled", result.compiled},
               {"diagnostics", result.compile.err},
               {"out", ""},
               {"err", ""},
               {"end", result.compiled ? "" : "compile_error"},
               {"exit_code", nullptr},
               {"hint", result.hint},
               {"files", Json::array()}};
  if (!result.run) return part;
  part["out"] = result.run->out;
  part["err"] = result.run->err;
  part["end"] = name_of(result.run->end);
  if (result.run->end == SandboxResult::End::exited) part["exit_code"] = result.run->exit_code;
  if (result.run->end == SandboxResult::End::signalled) part["signal"] = result.run->signal;
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
