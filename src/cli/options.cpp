#include "cli/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/suggest.h"
#include "cli/command.h"
#include "cli/messages.h"
#include "cli/output.h"

namespace jiang {

struct Options::State {
  struct Entry {
    std::string names;       // "-n,--max-tokens", or the name of a positional
    std::string value_name;  // "" for a flag
    std::string help;
    bool is_positional = false;
    bool is_required = false;
    CLI::Option* option = nullptr;
  };

  explicit State(const char* name) : command(name) {}

  const char* command;
  CLI::App app;
  std::vector<Entry> entries;
  std::vector<std::string>* rest = nullptr;  // what no positional took
  Status status = ok();                      // the first value that was refused
};

namespace {

std::string long_name_of(const std::string& names) {
  const size_t comma = names.rfind(',');
  return comma == std::string::npos ? names : names.substr(comma + 1);
}

std::vector<std::string> split_names(const std::string& names) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    out.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

template <class T>
Status parse_number(T& out, const std::string& name, const std::string& value, Range<T> range) {
  const char* end = value.data() + value.size();
  T number{};
  const char* begin = value.data() + (value.size() > 1 && value[0] == '+' ? 1 : 0);
  const auto [stop, error] = std::from_chars(begin, end, number);
  const bool is_whole = stop == end && begin != end;
  if (is_whole && error == std::errc::result_out_of_range) {
    return fail(ErrorKind::invalid_argument, "{} must lie between {} and {}, got {}", name,
                range.low, range.high, value);
  }
  if (!is_whole || error != std::errc()) {
    // A negative number for an unsigned option is out of range rather than no number.
    return fail(ErrorKind::invalid_argument, "{} needs a {}number between {} and {}, got '{}'",
                name, std::is_integral_v<T> ? "whole " : "", range.low, range.high, value);
  }
  if (!(number >= range.low && number <= range.high)) {
    return fail(ErrorKind::invalid_argument, "{} must lie between {} and {}, got {}", name,
                range.low, range.high, value);
  }
  out = number;
  return ok();
}

}  // namespace

Options::Options(const char* command) : state_(std::make_unique<State>(command)) {
  state_->app.set_help_flag();  // our own help is shorter and knows the examples
  state_->app.allow_extras();
}

Options::~Options() = default;

void Options::add(const char* names, const char* value_name, const char* help, Store store,
                  bool repeats) {
  const std::string name = long_name_of(names);
  State* state = state_.get();
  const CLI::callback_t callback = [state, name, store](const CLI::results_t& values) {
    for (const std::string& value : values) {
      Status status = store(name, value);
      if (!status && state->status) state->status = std::move(status);
    }
    return true;
  };
  CLI::Option* option = state_->app.add_option(names, callback);
  option->expected(1)->allow_extra_args(false);
  option->multi_option_policy(repeats ? CLI::MultiOptionPolicy::TakeAll
                                      : CLI::MultiOptionPolicy::TakeLast);
  state_->entries.push_back({names, value_name, help, false, false, option});
}

void Options::flag(bool& out, const char* names, const char* help) {
  CLI::Option* option = state_->app.add_flag_callback(names, [&out] { out = true; });
  state_->entries.push_back({names, "", help, false, false, option});
}

void Options::text(std::string& out, const char* names, const char* value_name, const char* help) {
  add(
      names, value_name, help,
      [&out](const std::string&, const std::string& value) {
        out = value;
        return ok();
      },
      false);
}

void Options::text(std::optional<std::string>& out, const char* names, const char* value_name,
                   const char* help) {
  add(
      names, value_name, help,
      [&out](const std::string&, const std::string& value) {
        out = value;
        return ok();
      },
      false);
}

void Options::texts(std::vector<std::string>& out, const char* names, const char* value_name,
                    const char* help) {
  add(
      names, value_name, help,
      [&out](const std::string&, const std::string& value) {
        out.push_back(value);
        return ok();
      },
      true);
}

template <class T>
void Options::number(T& out, const char* names, Range<T> range, const char* help) {
  add(
      names, "N", help,
      [&out, range](const std::string& name, const std::string& value) {
        return parse_number(out, name, value, range);
      },
      false);
}

template <class T>
void Options::number(std::optional<T>& out, const char* names, Range<T> range, const char* help) {
  add(
      names, "N", help,
      [&out, range](const std::string& name, const std::string& value) -> Status {
        T number{};
        TRY_STATUS(parse_number(number, name, value, range));
        out = number;
        return ok();
      },
      false);
}

template void Options::number(int32_t&, const char*, Range<int32_t>, const char*);
template void Options::number(float&, const char*, Range<float>, const char*);
template void Options::number(std::optional<int32_t>&, const char*, Range<int32_t>, const char*);
template void Options::number(std::optional<float>&, const char*, Range<float>, const char*);
template void Options::number(std::optional<uint64_t>&, const char*, Range<uint64_t>, const char*);

void Options::choice(std::string& out, const char* names, std::vector<std::string> allowed,
                     const char* help) {
  std::string list;
  for (const std::string& one : allowed) list += (list.empty() ? "" : "|") + one;
  add(
      names, list.c_str(), help,
      [&out, allowed, list](const std::string& name, const std::string& value) -> Status {
        if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
          return fail(ErrorKind::invalid_argument, "{} must be one of {}, got '{}'", name, list,
                      value);
        }
        out = value;
        return ok();
      },
      false);
}

void Options::positional(std::string& out, const char* name, Need need, const char* help) {
  CLI::Option* option = state_->app.add_option(name, CLI::callback_t([&out](const auto& values) {
                                                 out = values.back();
                                                 return true;
                                               }));
  option->expected(1);
  state_->entries.push_back({name, "", help, true, need == Need::required, option});
}

void Options::rest(std::vector<std::string>& out, const char* name, const char* help) {
  // CLI11 would treat "[x]" among many values as a list; extras come through untouched.
  state_->entries.push_back({name, "", help, true, false, nullptr});
  state_->rest = &out;
}

bool Options::given(const char* long_name) const {
  for (const State::Entry& entry : state_->entries) {
    if (entry.option && long_name_of(entry.names) == long_name) return entry.option->count() > 0;
  }
  return false;
}

std::string Options::help() const {
  const Command* command = find_command(state_->command);
  std::string text;
  if (command) {
    text += fmt::format("{}\n\n{}\n", command->usage, summary_of(*command));
  }
  std::vector<std::pair<std::string, std::string>> rows;
  for (const State::Entry& entry : state_->entries) {
    std::string left = entry.names;
    if (!entry.is_positional) {
      const size_t comma = left.find(',');
      left = comma == std::string::npos ? "    " + left : left.replace(comma, 1, ", ");
      if (!entry.value_name.empty()) left += " " + entry.value_name;
    }
    rows.emplace_back(left, entry.help);
  }
  rows.emplace_back("-h, --help", "this text");
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, std::min<size_t>(row.first.size(), 30));
  text += fmt::format("\n{}\n", message(Phrase::options));
  for (const auto& [left, right] : rows) {
    text += left.size() > width ? fmt::format("  {}\n  {:<{}}  {}\n", left, "", width, right)
                                : fmt::format("  {:<{}}  {}\n", left, width, right);
  }
  if (command && *command->examples) {
    text += fmt::format("\n{}\n{}\n", message(Phrase::examples), command->examples);
  }
  return text;
}

Result<bool> Options::parse(const std::vector<std::string>& arguments) {
  bool wants_help = false;
  bool wants_names = false;  // for shell completion
  state_->app.add_flag_callback("-h,--help", [&wants_help] { wants_help = true; });
  state_->app.add_flag_callback("--list-options", [&wants_names] { wants_names = true; });

  std::vector<std::string> known{"--help", "-h"};
  for (const State::Entry& entry : state_->entries) {
    if (entry.is_positional) continue;
    for (const std::string& name : split_names(entry.names)) known.push_back(name);
  }

  // CLI11 wants the words in reverse.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    state_->app.parse(std::move(reversed));
  } catch (const CLI::ArgumentMismatch&) {
    for (const State::Entry& entry : state_->entries) {
      if (!arguments.empty() && !entry.is_positional) {
        const auto names = split_names(entry.names);
        if (std::find(names.begin(), names.end(), arguments.back()) != names.end()) {
          return fail(ErrorKind::invalid_argument, "{} needs a value: {} {}", arguments.back(),
                      arguments.back(), entry.value_name);
        }
      }
    }
    return fail(ErrorKind::invalid_argument,
                "an option lacks its value; 'jiang help {}' lists them", state_->command);
  } catch (const CLI::Error& error) {
    return fail(ErrorKind::invalid_argument, "{}; 'jiang help {}' lists the options", error.what(),
                state_->command);
  }
  if (wants_help) {
    TRY_STATUS(print(help()));
    return false;
  }
  if (wants_names) {
    std::string text;
    for (const std::string& name : known) {
      if (name.substr(0, 2) == "--") text += name + "\n";
    }
    TRY_STATUS(print(text));
    return false;
  }
  bool all_positional = false;  // after "--"
  for (const std::string& word : state_->app.remaining()) {
    if (word == "--" && !all_positional) {
      all_positional = true;
    } else if (!all_positional && word.size() > 1 && word[0] == '-') {
      const std::string name = word.substr(0, word.find('='));
      const auto near = suggest(name, known);
      return Error{ErrorKind::invalid_argument,
                   near ? message(Phrase::unknown_option_near, name, *near)
                        : message(Phrase::unknown_option, name, state_->command)};
    } else if (state_->rest) {
      state_->rest->push_back(word);
    } else {
      return fail(ErrorKind::invalid_argument,
                  "unexpected argument '{}'; put text with spaces in quotes, 'jiang help {}' has "
                  "examples",
                  word, state_->command);
    }
  }
  if (!state_->status) return std::move(state_->status).error();
  for (const State::Entry& entry : state_->entries) {
    if (entry.is_required && entry.option->count() == 0) {
      const Command* command = find_command(state_->command);
      return fail(ErrorKind::invalid_argument, "{} is missing: {}", entry.names,
                  command ? command->usage : state_->command);
    }
  }
  return true;
}

}  // namespace jiang
