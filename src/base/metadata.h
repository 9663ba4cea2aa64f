// Typed key-value metadata, as GGUF carries it. Lives in base because `weights` reads it and
// `text` builds tokenizers from it, and these two do not know each other.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace jiang {

// Integers of every width are widened to int64_t / uint64_t, floats to double; arrays keep the
// same distinction, so that an array declared UINT8 is never taken for scores. Nested arrays are
// refused by the reader.
using MetaValue = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<bool>,
                               std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>,
                               std::vector<std::string>>;

class Metadata {
 public:
  std::map<std::string, MetaValue, std::less<>> values;

  const MetaValue* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // Required values; the error names the key, the wanted type and what was found.
  Result<int64_t> get_int(std::string_view key) const;  // any integer type, in int64 range
  Result<double> get_number(std::string_view key) const;
  Result<bool> get_bool(std::string_view key) const;
  Result<std::string> get_string(std::string_view key) const;
  // The same with a default for a missing key (a wrong type is still an error).
  Result<int64_t> get_int_or(std::string_view key, int64_t otherwise) const;
  Result<double> get_number_or(std::string_view key, double otherwise) const;
  Result<bool> get_bool_or(std::string_view key, bool otherwise) const;
  Result<std::string> get_string_or(std::string_view key, std::string otherwise) const;
  // Arrays; pointers stay valid as long as the Metadata does.
  Result<const std::vector<std::string>*> get_strings(std::string_view key) const;
  Result<const std::vector<double>*> get_numbers(std::string_view key) const;  // float arrays only
  Result<std::vector<int64_t>> get_ints(std::string_view key) const;           // any integer array
};

}  // namespace jiang
