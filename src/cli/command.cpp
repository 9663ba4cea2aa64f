#include "cli/command.h"

#include <algorithm>
#include <csignal>
#include <exception>
#include <new>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "base/suggest.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "cli/sanitizer.h"
#include "kernels/table.h"

namespace jiang {
namespace {

// A program started with a closed descriptor 0, 1 or 2 would get that number from its next open(),
// and print into a model file. Read-only /dev/null makes writes to 1 and 2 fail instead.
void occupy_standard_descriptors() {
  int opened = 0;
  do {
    opened = open("/dev/null", O_RDONLY | O_CLOEXEC);
  } while (opened >= 0 && opened <= STDERR_FILENO);
  if (opened > STDERR_FILENO) close(opened);
}

std::string help_text() {
  std::string text = fmt::format("{}\n\n{}\n", message(Phrase::tagline), message(Phrase::usage));
  size_t width = 0;
  for (const Command& command : commands()) {
    width = std::max(width, std::string_view(command.name).size());
  }
  text += fmt::format("\n{}\n", message(Phrase::commands));
  for (const Command& command : commands()) {
    text += fmt::format("  {:<{}}  {}\n", command.name, width, summary_of(command));
  }
  return text + fmt::format("\n{}\n", message(Phrase::more_help));
}

Error unknown_command(const std::string& word) {
  std::vector<std::string> names{"help", "version"};
  for (const Command& command : commands()) names.emplace_back(command.name);
  const auto near = suggest(word, names);
  if (near) {
    return Error{ErrorKind::invalid_argument, message(Phrase::unknown_command_near, word, *near)};
  }
  return Error{ErrorKind::invalid_argument, message(Phrase::unknown_command, word)};
}

Result<int> dispatch(std::vector<std::string> words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" ||
      (words[0] == "help" && words.size() == 1)) {
    TRY_STATUS(print(help_text()));
    return 0;
  }
  if (words[0] == "--version" || words[0] == "-v" || words[0] == "version") {
    TRY_STATUS(print(fmt::format("jiang {}\n", kVersion)));
    return 0;
  }
  if (words[0] == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (const char* isa = kernels::isa_error()) {
    return Error{ErrorKind::invalid_argument, isa};
  }
  const std::string pair = words.size() > 1 ? words[0] + " " + words[1] : words[0];
  if (const Command* command = find_command(pair); command && words.size() > 1) {
    return command->run({words.begin() + 2, words.end()});
  }
  if (const Command* command = find_command(words[0])) {
    return command->run({words.begin() + 1, words.end()});
  }
  const bool is_group = std::any_of(commands().begin(), commands().end(), [&](const Command& c) {
    return std::string_view(c.name).substr(0, words[0].size() + 1) == words[0] + " ";
  });
  if (is_group && words.size() > 1 && words[1] == "--help") {
    TRY_STATUS(print(help_text()));
    return 0;
  }
  return unknown_command(is_group ? pair : words[0]);
}

int report(const Error& error) {
  note(fmt::format("{}{}", message(Phrase::error_prefix), visible_line(error.message)));
  return error.kind == ErrorKind::invalid_argument ? 2 : 1;
}

}  // namespace

const Command* find_command(std::string_view name) {
  if (name == "ls") name = "list";  // as other programs call it
  for (const Command& command : commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

int run_jiang(int argc, char** argv) {
  try {
    occupy_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(), not a death
    install_interrupt_handler();
    const Result<int> outcome = dispatch({argv + std::min(argc, 1), argv + argc});
    return outcome ? *outcome : report(outcome.error());
  } catch (const std::bad_alloc&) {
    return report(Error{ErrorKind::too_large, message(Phrase::out_of_memory)});
  } catch (const std::exception& bug) {
    return report(Error{ErrorKind::unsupported, message(Phrase::bug, bug.what())});
  }
}

}  // namespace jiang
