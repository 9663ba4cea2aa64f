// Reads the tables of a TOML file key by key; what was not asked for is an error.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/suggest.h"
#include "base/toml.h"

namespace jiang {

class RecipeTable {
 public:
  // `name`: "train"; the table may be missing.
  RecipeTable(const TomlDocument& document, std::string name, std::string where)
      : document_(document), name_(std::move(name)), where_(std::move(where)) {
    const Json* found = find_member(document.value, name_);
    if (found) table_ = *found;
  }

  bool is_there() const { return table_.is_object(); }
  bool has(const char* key) const { return is_there() && table_.contains(key); }
  const Json& json() const { return table_; }
  // For keys that somebody else reads.
  void allow(std::string key) { known_.insert(std::move(key)); }

  Error refuse(const std::string& key, std::string_view what) const {
    const int line = document_.line("/" + name_ + "/" + key);
    return fail(ErrorKind::invalid_argument, "{}{}: {}.{} {}", where_,
                line > 0 ? fmt::format(":{}", line) : "", name_, key, what);
  }

  Result<std::string> text(const char* key, const char* otherwise = nullptr) {
    known_.insert(key);
    if (!has(key)) {
      if (otherwise) return std::string(otherwise);
      return refuse(key, "is missing");
    }
    if (!table_[key].is_string()) return refuse(key, "must be a string");
    return table_[key].get<std::string>();
  }
  Result<std::vector<std::string>> texts(const char* key, bool is_required) {
    known_.insert(key);
    std::vector<std::string> all;
    if (!has(key)) {
      if (is_required) return refuse(key, "is missing: a list of strings");
      return all;
    }
    const Json& value = table_[key];
    if (value.is_string()) return std::vector<std::string>{value.get<std::string>()};
    if (!value.is_array()) return refuse(key, "must be a list of strings");
    for (const Json& item : value) {
      if (!item.is_string()) return refuse(key, "must be a list of strings");
      all.push_back(item.get<std::string>());
    }
    return all;
  }
  Result<int64_t> integer(const char* key, int64_t otherwise, int64_t low, int64_t high) {
    known_.insert(key);
    if (!has(key)) return otherwise;
    const Json& value = table_[key];
    if (!value.is_number_integer() || value.get<int64_t>() < low || value.get<int64_t>() > high)
      return refuse(key, fmt::format("must be a whole number from {} to {}", low, high));
    return value.get<int64_t>();
  }
  Result<double> number(const char* key, double otherwise, double low, double high) {
    known_.insert(key);
    if (!has(key)) return otherwise;
    const Json& value = table_[key];
    if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high))
      return refuse(key, fmt::format("must be a number from {} to {}", low, high));
    return value.get<double>();
  }
  Result<bool> flag(const char* key, bool otherwise) {
    known_.insert(key);
    if (!has(key)) return otherwise;
    if (!table_[key].is_boolean()) return refuse(key, "must be true or false");
    return table_[key].get<bool>();
  }

  // After everything was asked for.
  Status finish() const {
    if (!is_there()) {
      if (!table_.is_null())
        return fail(ErrorKind::invalid_argument, "{}: {} must be a table", where_, name_);
      return ok();
    }
    for (const auto& [key, value] : table_.items()) {
      if (known_.contains(key)) continue;
      const std::vector<std::string> known(known_.begin(), known_.end());
      const auto close = suggest(key, known);
      return refuse(key, close ? fmt::format("is not known; did you mean {}?", *close)
                               : std::string("is not known"));
    }
    return ok();
  }

 private:
  const TomlDocument& document_;
  std::string name_;
  std::string where_;
  Json table_;
  std::set<std::string> known_;
};

}  // namespace jiang
