// Result<T>: a value, or an Error for the person at the keyboard.
//
// What the outside world can cause (files, flags, prompts, templates) returns Result or Status;
// what only a bug can cause is JIANG_CHECK (base/check.h). Member names follow std::expected.
#pragma once

#include <fmt/core.h>

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"

namespace jiang {

enum class ErrorKind {
  invalid_argument,  // a flag, a prompt, a request: the caller can mend it          exit 2
  not_found,         // no such file, model, tensor
  bad_file,          // the file is damaged, hostile or of another kind
  unsupported,       // well-formed, but jiang cannot do it (yet)
  too_large,         // does not fit: context, memory, budget; the message has both numbers
  io,                // the operating system said no: disk full, permission, closed pipe
  cancelled,         // the caller asked to stop
  bad_numbers,       // NaN or Inf where numbers were expected
};

// `message` is one sentence: what, where, and the way out. Lower case, no full stop.
struct Error {
  ErrorKind kind = ErrorKind::invalid_argument;
  std::string message;
};

// fail(ErrorKind::bad_file, "{}: truncated at byte {}", path, offset)
template <class... Args>
[[nodiscard]] Error fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  return Error{kind, fmt::format(format, std::forward<Args>(args)...)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return check_value(), std::get<0>(state_); }
  const T& value() const& { return check_value(), std::get<0>(state_); }
  T&& value() && { return check_value(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  void check_value() const { JIANG_CHECK(has_value(), std::get<1>(state_).message); }

  std::variant<T, Error> state_;
};

struct Unit {};
using Status = Result<Unit>;
inline Status ok() { return Unit{}; }

}  // namespace jiang

#define JIANG_CONCAT_(a, b) a##b
#define JIANG_CONCAT(a, b) JIANG_CONCAT_(a, b)

// TRY(auto file, MappedFile::open(path));   declares `file`, or returns the error.
#define TRY(declaration, ...)                                                                \
  auto JIANG_CONCAT(try_, __LINE__) = (__VA_ARGS__);                                         \
  if (!JIANG_CONCAT(try_, __LINE__)) return std::move(JIANG_CONCAT(try_, __LINE__)).error(); \
  declaration = *std::move(JIANG_CONCAT(try_, __LINE__))

// TRY_STATUS(write(file));   returns the error, if there is one.
#define TRY_STATUS(...)                                    \
  do {                                                     \
    auto try_status = (__VA_ARGS__);                       \
    if (!try_status) return std::move(try_status).error(); \
  } while (false)
