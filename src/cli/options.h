// Options: the flags of one command, declared where they are read. A wrapper of CLI11, so that its
// heavy header and its exceptions stay in options.cpp.
//
// Variables keep their value when the flag is absent, and must outlive parse().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace jiang {

template <class T>
struct Range {
  T low;
  T high;
};

class Options {
 public:
  explicit Options(const char* command);
  ~Options();

  // `names` as in "-n,--max-tokens"; `help` is one line.
  void flag(bool& out, const char* names, const char* help);
  void text(std::string& out, const char* names, const char* value_name, const char* help);
  void text(std::optional<std::string>& out, const char* names, const char* value_name,
            const char* help);
  // May be given several times.
  void texts(std::vector<std::string>& out, const char* names, const char* value_name,
             const char* help);
  // Numbers outside the range are refused by name.
  template <class T>
  void number(T& out, const char* names, Range<T> range, const char* help);
  template <class T>
  void number(std::optional<T>& out, const char* names, Range<T> range, const char* help);
  void choice(std::string& out, const char* names, std::vector<std::string> allowed,
              const char* help);

  enum class Need { required, optional };
  void positional(std::string& out, const char* name, Need need, const char* help);
  // All that follow.
  void rest(std::vector<std::string>& out, const char* name, const char* help);

  // True: go on. False: --help was asked for and has been printed.
  Result<bool> parse(const std::vector<std::string>& arguments);
  // Whether the option (by its long name, "--temp") was on the command line.
  bool given(const char* long_name) const;

 private:
  struct State;
  using Store = std::function<Status(const std::string& name, const std::string& value)>;
  void add(const char* names, const char* value_name, const char* help, Store store, bool repeats);
  std::string help() const;

  std::unique_ptr<State> state_;
};

extern template void Options::number(int32_t&, const char*, Range<int32_t>, const char*);
extern template void Options::number(float&, const char*, Range<float>, const char*);
extern template void Options::number(std::optional<int32_t>&, const char*, Range<int32_t>,
                                     const char*);
extern template void Options::number(std::optional<float>&, const char*, Range<float>, const char*);
extern template void Options::number(std::optional<uint64_t>&, const char*, Range<uint64_t>,
                                     const char*);

}  // namespace jiang
