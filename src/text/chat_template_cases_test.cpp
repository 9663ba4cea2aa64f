// Runs tests/cases/chat_template/*.case. Sections: template, context (JSON; the last one given
// stays in force), and either output, the exact text, or error, a part of the message.
#include <filesystem>

#include "base/json_value.h"
#include "tests/support/case_file.h"
#include "tests/support/test_data.h"
#include "text/chat_template.h"

namespace jiang {
namespace {

std::tm fixed_time() {
  std::tm now{};
  now.tm_year = 2024 - 1900;
  now.tm_mon = 6;
  now.tm_mday = 26;
  now.tm_hour = 14;
  now.tm_min = 5;
  now.tm_sec = 9;
  now.tm_wday = 5;
  now.tm_yday = 207;
  return now;
}

Result<std::vector<PromptSegment>> render_case(const std::string& source, const Json& context) {
  TRY(const ChatTemplate chat_template, ChatTemplate::parse(source));
  const std::tm now = fixed_time();
  return chat_template.render(context, {}, &now);
}

TEST(ChatTemplateCases, AllRenderAsTheyShould) {
  size_t count = 0;
  const std::string folder = source_dir() + std::string("/tests/cases/chat_template");
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    Json context = Json::object();
    for (const Case& test : read_cases(file.path().string())) {
      SCOPED_TRACE(test.where + ": " + test.name);
      ++count;
      if (test.has("context")) {
        const Result<Json> parsed = parse_json(test.sections.at("context"), test.where);
        ASSERT_TRUE(parsed) << parsed.error().message;
        context = *parsed;
      }
      const auto rendered = render_case(test.sections.at("template"), context);
      if (test.has("error")) {
        ASSERT_FALSE(rendered) << join(*rendered);
        EXPECT_NE(rendered.error().message.find(test.sections.at("error")), std::string::npos)
            << rendered.error().message;
        continue;
      }
      ASSERT_TRUE(test.has("output"));
      ASSERT_TRUE(rendered) << rendered.error().message;
      EXPECT_EQ(join(*rendered), test.sections.at("output"));
    }
  }
  EXPECT_GT(count, 200u);
}

}  // namespace
}  // namespace jiang
