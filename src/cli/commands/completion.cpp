// jiang completion: shell scripts that ask jiang itself (--list-options, list --json) and so never
// go stale.
#include <string>

#include "cli/commands/table.h"
#include "cli/options.h"
#include "cli/output.h"

namespace jiang {
namespace {

constexpr const char* kBash = R"sh(# bash completion of jiang:  eval "$(jiang completion bash)"
_jiang() {
  local word="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@WORDS@" -- "$word"))
    return
  fi
  case "$command" in
    help) COMPREPLY=($(compgen -W "@WORDS@" -- "$word")); return ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")); return ;;
    dev)
      if [ "$COMP_CWORD" -eq 2 ]; then
        COMPREPLY=($(compgen -W "@DEV@" -- "$word"))
        return
      fi
      command="dev ${COMP_WORDS[2]}" ;;
  esac
  if [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" $command --list-options 2>/dev/null)" -- "$word"))
  else
    local models="$("${COMP_WORDS[0]}" list 2>/dev/null | tail -n +2 | cut -d' ' -f1)"
    COMPREPLY=($(compgen -W "$models" -- "$word") $(compgen -f -- "$word"))
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _jiang jiang
)sh";

constexpr const char* kZsh = R"sh(#compdef jiang
# zsh completion of jiang:  jiang completion zsh > "${fpath[1]}/_jiang"
_jiang() {
  local command="$words[2]"
  if (( CURRENT == 2 )); then
    compadd -- @WORDS@
    return
  fi
  case "$command" in
    help) compadd -- @WORDS@; return ;;
    completion) compadd -- bash zsh fish; return ;;
    dev)
      if (( CURRENT == 3 )); then compadd -- @DEV@; return; fi
      command="dev $words[3]" ;;
  esac
  if [[ "$PREFIX" == -* ]]; then
    compadd -- ${(f)"$($words[1] ${=command} --list-options 2>/dev/null)"}
  else
    compadd -- ${${(f)"$($words[1] list 2>/dev/null)"}[2,-1]%% *}
    _files
  fi
}
compdef _jiang jiang
)sh";

constexpr const char* kFish =
    R"sh(# fish completion of jiang:  jiang completion fish > ~/.config/fish/completions/jiang.fish
function __jiang_options
  set -l words (commandline -opc)
  set -l command $words[2]
  test "$command" = dev; and set command $words[2..3]
  $words[1] $command --list-options 2>/dev/null
end
complete -c jiang -n "test (count (commandline -opc)) -eq 1" -f -a "@WORDS@"
complete -c jiang -n "__fish_seen_subcommand_from help" -f -a "@WORDS@"
complete -c jiang -n "__fish_seen_subcommand_from completion" -f -a "bash zsh fish"
complete -c jiang -n "__fish_seen_subcommand_from dev" -a "@DEV@"
complete -c jiang -n "test (count (commandline -opc)) -gt 1" -a "(__jiang_options)"
complete -c jiang -n "test (count (commandline -opc)) -gt 1" \
  -a "(jiang list 2>/dev/null | tail -n +2 | string replace -r ' .*' '')"
)sh";

std::string filled(std::string text, const std::string& mark, const std::string& words) {
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    text.replace(at, mark.size(), words);
    at += words.size();
  }
  return text;
}

Result<int> run_completion(const std::vector<std::string>& arguments) {
  std::string shell;
  Options options("completion");
  options.positional(shell, "SHELL", Options::Need::required, "bash, zsh or fish");
  TRY(const bool go_on, options.parse(arguments));
  if (!go_on) return 0;
  const char* script = shell == "bash"   ? kBash
                       : shell == "zsh"  ? kZsh
                       : shell == "fish" ? kFish
                                         : nullptr;
  if (!script) {
    return fail(ErrorKind::invalid_argument, "no completion for '{}'; there are bash, zsh and fish",
                shell);
  }
  std::string words = "help version";
  std::string dev_words;
  for (const Command& command : commands()) {
    const std::string name = command.name;
    if (name.rfind("dev ", 0) == 0) {
      dev_words += (dev_words.empty() ? "" : " ") + name.substr(4);
    } else {
      words += " " + name;
    }
  }
  if (!dev_words.empty()) words += " dev";
  TRY_STATUS(print(filled(filled(script, "@WORDS@", words), "@DEV@", dev_words)));
  return 0;
}

}  // namespace

const Command kCompletion = {
    .name = "completion",
    .usage = "usage: jiang completion bash|zsh|fish",
    .summary = "a completion script for your shell",
    .examples =
        "  eval \"$(jiang completion bash)\"\n"
        "  jiang completion zsh > \"${fpath[1]}/_jiang\"",
    .run = run_completion,
};

}  // namespace jiang
