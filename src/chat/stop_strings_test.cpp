#include "chat/stop_strings.h"

#include <gtest/gtest.h>

namespace jiang {
namespace {

// Feeds `text` in pieces of `size` bytes and gives what was shown; "!" at the end when stopped.
std::string shown(std::vector<std::string> stops, std::string_view text, size_t size) {
  StopStrings strings = StopStrings::create(std::move(stops)).value();
  std::string out;
  for (size_t i = 0; i < text.size(); i += size) {
    const StopStrings::Fed fed = strings.feed(text.substr(i, size));
    out += fed.text;
    if (fed.stopped) return out + "!";
  }
  return out + strings.finish();
}

TEST(StopStrings, AreCutWhereverThePiecesEnd) {
  for (size_t size = 1; size <= 12; ++size) {
    EXPECT_EQ(shown({"STOP"}, "go on STOP not this", size), "go on !") << size;
    EXPECT_EQ(shown({"STOP"}, "go STO on ST", size), "go STO on ST") << size;
    EXPECT_EQ(shown({"aab"}, "aaaab", size), "aa!") << size;
    EXPECT_EQ(shown({"\n\n", "User:"}, "one\ntwo User: x", size), "one\ntwo !") << size;
    EXPECT_EQ(shown({"abc", "bc"}, "xabc", size), "x!") << size;
    EXPECT_EQ(shown({}, "abc", size), "abc") << size;
  }
}

TEST(StopStrings, NothingOfAStopStringIsShownEarly) {
  StopStrings strings = StopStrings::create({"</end>"}).value();
  EXPECT_EQ(strings.feed("text </").text, "text ");
  EXPECT_EQ(strings.feed("en").text, "");
  const auto fed = strings.feed("d> more");
  EXPECT_EQ(fed.text, "");
  EXPECT_TRUE(fed.stopped);
}

TEST(StopStrings, ThatCannotWorkAreRefused) {
  EXPECT_FALSE(StopStrings::create({""}));
  EXPECT_FALSE(StopStrings::create({"\xff"}));
  EXPECT_FALSE(StopStrings::create({std::string(1 << 20, 'x')}));
  EXPECT_FALSE(StopStrings::create(std::vector<std::string>(10'000, "x")));
  EXPECT_TRUE(StopStrings::create({}));
}

}  // namespace
}  // namespace jiang
