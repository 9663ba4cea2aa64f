// How long a search takes among 10,000 messages: printed, and bounded far above what it is (a
// machine under load is no failure). The figure that counts is in docs/decisions/0091.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "storage/storage_test_support.h"

namespace jiang {
namespace {

TEST(Search, TenThousandMessagesAreSearchedInOneGo) {
  TemporaryHome home;
  const auto storage = open_storage(home);
  const std::string user = storage->users().owner()->id;
  const std::string_view words[] = {"函数", "指针", "数组", "循环", "内存", "编译", "变量", "返回"};
  for (int chat = 0; chat < 100; ++chat) {
    std::vector<Message> messages(100);
    for (int i = 0; i < 100; ++i) {
      Message& message = messages[i];
      message.id = std::to_string(chat) + "-" + std::to_string(i);
      message.parent = i == 0 ? "" : messages[i - 1].id;
      message.role = i % 2 == 0 ? "user" : "assistant";
      for (int w = 0; w < 200; ++w) message.content += words[(chat * 7 + i * 3 + w * w) % 8];
    }
    if (chat == 0) messages[50].content += "独一无二的词";
    const Conversation head{.id = "c" + std::to_string(chat)};
    ASSERT_TRUE(storage->conversations().import_one(user, head, messages));
  }
  for (const char* needle : {"独一无二", "没有这个", "not there"}) {
    const auto start = std::chrono::steady_clock::now();
    const auto page = storage->conversations().list(user, {.text = needle});
    const double millis =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    ASSERT_TRUE(page);
    EXPECT_EQ(page->items.size(), std::string(needle) == "独一无二" ? 1u : 0u);
    std::printf("10,000 messages of 1.2 kB: %s in %.1f ms\n", needle, millis);
    EXPECT_LT(millis, 2000);
  }
}

}  // namespace
}  // namespace jiang
