#include "text/output_parser.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/case_file.h"
#include "tests/support/test_data.h"
#include "text/dialect.h"
#include "text/grammar_constraint.h"

namespace jiang {
namespace {

std::string escaped(std::string text) {
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
    text.replace(at, 1, "\\n");
  return text;
}

// One line per event; neighbours of one kind are one.
std::string show(const std::vector<OutputEvent>& events) {
  constexpr const char* kNames[] = {"content", "reasoning", "call", "arguments"};
  std::string out;
  for (size_t i = 0; i < events.size();) {
    std::string text = events[i].text;
    const OutputEvent::Kind kind = events[i].kind;
    for (++i; i < events.size() && events[i].kind == kind && kind != OutputEvent::Kind::call_name;
         ++i)
      text += events[i].text;
    out += std::string(kNames[static_cast<size_t>(kind)]) + " " + escaped(text) + "\n";
  }
  if (!out.empty()) out.pop_back();
  return out;
}

std::string parse(const OutputParser::Options& options, const std::vector<std::string>& pieces) {
  OutputParser parser(options);
  std::vector<OutputEvent> all;
  const auto take = [&](std::vector<OutputEvent> events) {
    for (OutputEvent& event : events) all.push_back(std::move(event));
  };
  for (const std::string& piece : pieces) take(parser.feed(piece));
  take(parser.finish());
  return show(all);
}

TEST(OutputParser, CasesAtEverySplit) {
  const std::string folder = std::string(source_dir()) + "/tests/cases/output_parser";
  size_t n_cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    for (const Case& c : read_cases(entry.path().string())) {
      ++n_cases;
      OutputParser::Options options;
      if (c.has("dialect")) options.dialect = find_dialect(c.sections.at("dialect"));
      EXPECT_EQ(options.dialect != nullptr, c.has("dialect")) << c.where;
      if (c.has("reasoning")) {
        const std::string& markers = c.sections.at("reasoning");
        const size_t space = markers.find(' ');
        options.reasoning = {markers.substr(0, space), markers.substr(space + 1)};
      }
      options.begins_in_reasoning = c.has("begun");
      const std::string& text = c.sections.at("text");
      const std::string& expected = c.sections.at("events");
      EXPECT_EQ(parse(options, {text}), expected) << c.where;
      std::vector<std::string> bytes;
      for (const char byte : text) bytes.emplace_back(1, byte);
      EXPECT_EQ(parse(options, bytes), expected) << c.where << " byte by byte";
      for (size_t i = 1; i < text.size(); ++i) {
        ASSERT_EQ(parse(options, {text.substr(0, i), text.substr(i)}), expected)
            << c.where << " cut at " << i;
      }
    }
  }
  EXPECT_GT(n_cases, 50u);
}

TEST(Dialect, EveryRowHasACaseFile) {
  for (const Dialect& dialect : dialects()) {
    const std::string path = std::string(source_dir()) + "/tests/cases/output_parser/" +
                             std::string(dialect.name) + ".case";
    EXPECT_TRUE(std::filesystem::exists(path)) << path;
    EXPECT_TRUE((std::string(dialect.section_open) + std::string(dialect.call_open))
                    .starts_with(dialect.trigger))
        << dialect.name;
  }
}

}  // namespace
}  // namespace jiang
