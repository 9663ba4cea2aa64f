// kill -9 at random moments of a process that writes: what it was told is saved, is there.
// JIANG_KILLS=200 for the long run; a few by default.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "storage/storage_test_support.h"

namespace jiang {
namespace {

constexpr int kWriters = 8;

// Never returns. Each line on `out` is the id of a message that ask() or finish() reported saved.
[[noreturn]] void write_for_ever(const std::string& home, int out) {
  auto storage = Storage::open(home);
  if (!storage) _exit(3);
  Conversations& conversations = (*storage)->conversations();
  const auto owner = (*storage)->users().owner();
  if (!owner) _exit(4);
  const auto tell = [out](const std::string& line) {
    const std::string text = line + "\n";  // below PIPE_BUF: whole, or not at all
    if (::write(out, text.data(), text.size()) < 0) _exit(5);
  };
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&] {
      const auto chat = conversations.create(owner->id, {});
      if (!chat) _exit(6);
      for (int i = 0;; ++i) {
        const auto asked = conversations.ask(
            owner->id, chat->id, {.content = "question " + std::to_string(i)}, {.run = "r"});
        if (!asked) _exit(7);
        tell("asked " + asked->question.id);
        AnswerProgress progress;
        progress.message_id = asked->answer.id;
        progress.content = std::string(2000, 'a');
        if (!conversations.save_progress({&progress, 1})) _exit(8);
        tell("saved " + asked->answer.id);
        AnswerEnd end;
        end.progress = progress;
        end.progress.content += "b";
        if (!conversations.finish(end)) _exit(9);
        tell("ended " + asked->answer.id);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  _exit(0);
}

TEST(Crash, NoAcknowledgedMessageIsLostByKill9) {
  const char* const wanted = std::getenv("JIANG_KILLS");
  const int kills = wanted ? std::atoi(wanted) : 8;
  TemporaryHome home;
  std::mt19937 random(7);
  std::set<std::string> told;
  double slowest = 0;
  for (int kill = 0; kill < kills; ++kill) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      write_for_ever(home.path(), ends[1]);
    }
    ::close(ends[1]);
    std::thread killer([child, millis = 20 + random() % 200] {
      std::this_thread::sleep_for(std::chrono::milliseconds(millis));
      ::kill(child, SIGKILL);
    });
    const std::string lines = *read_descriptor(ends[0], "pipe", size_t{64} << 20);
    killer.join();
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself: " << WEXITSTATUS(status);
    for (size_t at = 0, end; (end = lines.find('\n', at)) != std::string::npos; at = end + 1) {
      told.insert(lines.substr(at, end - at));
    }
    const auto start = std::chrono::steady_clock::now();
    const auto storage = open_storage(home);  // with quick_check
    slowest = std::max(
        slowest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    const std::string owner = storage->users().owner()->id;
    for (const std::string& line : told) {
      const std::string what = line.substr(0, 5);
      const auto message = storage->conversations().message(owner, line.substr(6));
      ASSERT_TRUE(message) << line;
      EXPECT_NE(message->status, MessageStatus::running);
      if (what == "saved") {
        ASSERT_GE(message->content.size(), 2000u) << line;
      }
      if (what == "ended") {
        ASSERT_EQ(message->content.size(), 2001u) << line;
        ASSERT_EQ(message->status, MessageStatus::done) << line;
      }
    }
    // What was asked, saved and ended is also asked about only once more: keep the set small.
    if (told.size() > 3000) told.clear();
  }
  RecordProperty("kills", kills);
  std::printf("%d kills, slowest start %.0f ms\n", kills, slowest * 1e3);
}

}  // namespace
}  // namespace jiang
