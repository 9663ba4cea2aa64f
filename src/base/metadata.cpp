#include "base/metadata.h"

#include <limits>

namespace jiang {
namespace {

constexpr const char* kTypeNames[] = {"bool",        "int",         "uint",      "float",
                                      "string",      "bool array",  "int array", "uint array",
                                      "float array", "string array"};

Error wrong(std::string_view key, const char* wanted, const MetaValue* found) {
  if (!found) return fail(ErrorKind::bad_file, "metadata key {} is missing", key);
  return fail(ErrorKind::bad_file, "metadata key {} must be {}, found {}", key, wanted,
              kTypeNames[found->index()]);
}

}  // namespace

const MetaValue* Metadata::find(std::string_view key) const {
  const auto found = values.find(key);
  return found == values.end() ? nullptr : &found->second;
}

Result<int64_t> Metadata::get_int(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value) {
    if (const auto* number = std::get_if<int64_t>(value)) return *number;
    if (const auto* number = std::get_if<uint64_t>(value); number && *number <= INT64_MAX) {
      return static_cast<int64_t>(*number);
    }
  }
  return wrong(key, "an integer", value);
}

Result<double> Metadata::get_number(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value) {
    if (const auto* number = std::get_if<double>(value)) return *number;
    if (const auto* number = std::get_if<int64_t>(value)) return static_cast<double>(*number);
    if (const auto* number = std::get_if<uint64_t>(value)) return static_cast<double>(*number);
  }
  return wrong(key, "a number", value);
}

Result<bool> Metadata::get_bool(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value && std::holds_alternative<bool>(*value)) return std::get<bool>(*value);
  return wrong(key, "a bool", value);
}

Result<std::string> Metadata::get_string(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value && std::holds_alternative<std::string>(*value)) return std::get<std::string>(*value);
  return wrong(key, "a string", value);
}

Result<int64_t> Metadata::get_int_or(std::string_view key, int64_t otherwise) const {
  if (!has(key)) return otherwise;
  return get_int(key);
}

Result<double> Metadata::get_number_or(std::string_view key, double otherwise) const {
  if (!has(key)) return otherwise;
  return get_number(key);
}

Result<bool> Metadata::get_bool_or(std::string_view key, bool otherwise) const {
  if (!has(key)) return otherwise;
  return get_bool(key);
}

Result<std::string> Metadata::get_string_or(std::string_view key, std::string otherwise) const {
  if (!has(key)) return otherwise;
  return get_string(key);
}

Result<const std::vector<std::string>*> Metadata::get_strings(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value && std::holds_alternative<std::vector<std::string>>(*value)) {
    return &std::get<std::vector<std::string>>(*value);
  }
  return wrong(key, "a string array", value);
}

Result<const std::vector<double>*> Metadata::get_numbers(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value && std::holds_alternative<std::vector<double>>(*value)) {
    return &std::get<std::vector<double>>(*value);
  }
  return wrong(key, "a float array", value);
}

Result<std::vector<int64_t>> Metadata::get_ints(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value) {
    if (const auto* ints = std::get_if<std::vector<int64_t>>(value)) return *ints;
    if (const auto* ints = std::get_if<std::vector<uint64_t>>(value)) {
      std::vector<int64_t> out;
      out.reserve(ints->size());
      for (const uint64_t number : *ints) {
        if (number > INT64_MAX) return wrong(key, "integers below 2^63", value);
        out.push_back(static_cast<int64_t>(number));
      }
      return out;
    }
  }
  return wrong(key, "an integer array", value);
}

}  // namespace jiang
