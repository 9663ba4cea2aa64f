// Reader of tests/cases/**/*.case: test cases as data, so that adding one needs no C++.
//
//   # comments, before the first case
//   == name of a case
//   -- section
//   lines, up to the next section or case; blank lines at the end do not count
//   -- other section json
//   "a JSON string, for text with odd white space or control characters"
//
// What the sections mean is up to the runner, which includes this header.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "base/json_value.h"

namespace jiang {

struct Case {
  std::string name;
  std::string where;  // file:line, for failures
  std::map<std::string, std::string> sections;
  bool has(const std::string& section) const { return sections.count(section) > 0; }
};

inline std::vector<Case> read_cases(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::vector<Case> cases;
  std::string line, section;
  int number = 0;
  const auto finish_section = [&] {
    if (cases.empty() || section.empty()) return;
    std::string& text = cases.back().sections[section];
    while (!text.empty() && text.back() == '\n') text.pop_back();
    constexpr std::string_view kJson = " json";
    if (section.size() > kJson.size() && section.ends_with(kJson)) {
      const Result<Json> value = parse_json(text, cases.back().where);
      EXPECT_TRUE(value.has_value() && value->is_string()) << cases.back().where;
      const std::string name = section.substr(0, section.size() - kJson.size());
      const std::string decoded = value ? value->get<std::string>() : "";
      cases.back().sections.erase(section);
      cases.back().sections[name] = decoded;
    }
    section.clear();
  };
  while (std::getline(in, line)) {
    ++number;
    if (line.starts_with("== ")) {
      finish_section();
      cases.push_back({line.substr(3), path + ":" + std::to_string(number), {}});
    } else if (line.starts_with("-- ") && !cases.empty()) {
      finish_section();
      section = line.substr(3);
      cases.back().sections[section];
    } else if (!section.empty()) {
      cases.back().sections[section] += line + "\n";
    }
  }
  finish_section();
  EXPECT_FALSE(cases.empty()) << path;
  return cases;
}

}  // namespace jiang
