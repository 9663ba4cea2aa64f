// The box, by programs that try to get out: tests/cases/sandbox/*.c, whose first comment says what
// must happen. JIANG_SANDBOX_RUNS: how often each runs (1), for ./test --sandbox.
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/unicode.h"
#include "sandbox/box_folder.h"
#include "sandbox/c_program.h"
#include "sandbox/output_window.h"
#include "tests/support/test_data.h"

namespace jiang {
namespace {

using testing::HasSubstr;

struct Attack {
  std::string name;
  std::string source;
  std::map<std::string, std::string> expect;
};

std::string read_case(const std::string& name) {
  auto text = read_file(std::string(source_dir()) + "/tests/cases/sandbox/" + name, 1 << 20);
  EXPECT_TRUE(text) << name;
  return text ? *text : "";
}

// "/* expect: exited 0\n   out: left\n*/ program"
Attack read_attack(const std::string& name) {
  Attack attack = {.name = name.substr(0, name.size() - 2), .source = {}, .expect = {}};
  const std::string text = read_case(name);
  const size_t end = text.find("*/");
  std::string key;
  for (size_t begin = 3; begin < end;) {
    const size_t line_end = text.find('\n', begin);
    std::string line = text.substr(begin, line_end - begin);
    line.erase(0, line.find_first_not_of(' '));
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) attack.expect[line.substr(0, colon)] = line.substr(colon + 2);
    begin = line_end + 1;
  }
  const std::string body = text.substr(end + 2);
  // What is about the compiler stands alone; the others share their headers.
  attack.source = attack.name.starts_with("compile_") ? body : read_case("prelude.h") + body;
  return attack;
}

std::vector<Attack> attacks() {
  std::vector<Attack> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(source_dir()) + "/tests/cases/sandbox")) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".c")) all.push_back(read_attack(name));
  }
  std::sort(all.begin(), all.end(),
            [](const Attack& a, const Attack& b) { return a.name < b.name; });
  return all;
}

int n_runs() {
  const char* text = getenv("JIANG_SANDBOX_RUNS");
  return text ? atoi(text) : 1;
}

int programs_that_live() {
  int n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    auto comm = read_file(entry.path().string() + "/comm", 100);
    n += comm && *comm == "program\n";
  }
  return n;
}

std::ptrdiff_t open_descriptors() {
  const auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

// The long run measures: every program ends within its limit and half a second.
bool measures_time() { return getenv("JIANG_SANDBOX_RUNS") != nullptr; }

std::string describe(const SandboxResult& result) {
  std::string text = name_of(result.end);
  if (result.end == SandboxResult::End::exited) text += fmt::format(" {}", result.exit_code);
  if (result.end == SandboxResult::End::signalled) {
    text += std::string(" ") + sigabbrev_np(result.signal);
  }
  return text;
}

// What is stopped by the clock is stopped soon; what ends by itself has time on a busy machine.
constexpr SandboxLimits kShort = {.wall_seconds = 1, .cpu_seconds = 1};
constexpr SandboxLimits kLong = {.wall_seconds = 20, .cpu_seconds = 10};

class Box : public testing::TestWithParam<Sandbox::Kind> {
 protected:
  void SetUp() override {
    auto opened = Sandbox::open(GetParam());
    if (!opened && opened.error().kind == ErrorKind::unsupported) {
      GTEST_SKIP() << opened.error().message;
    }
    ASSERT_TRUE(opened) << opened.error().message;
    box_ = std::move(*opened);
    folder_ = testing::TempDir() + "/sandbox-test-" + std::to_string(getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  CRun run(const std::string& source, const std::string& input = "",
           const SandboxLimits& limits = kShort) {
    auto result =
        run_c(*box_, {.source = source, .input = input, .folder = folder_, .run_limits = limits});
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : CRun{};
  }

  std::unique_ptr<Sandbox> box_;
  std::string folder_;
};

TEST_P(Box, HoldsEveryAttack) {
  const auto n_descriptors = open_descriptors();
  for (int round = 0; round < n_runs(); ++round) {
    for (const Attack& attack : attacks()) {
      SCOPED_TRACE(attack.name);
      std::filesystem::remove_all(folder_);
      std::filesystem::create_directories(folder_);
      const auto wanted = [&](const char* key) -> std::string {
        const auto found = attack.expect.find(key);
        return found == attack.expect.end() ? "" : found->second;
      };
      const std::string expect = wanted("expect");
      const SandboxLimits& limits = expect == "any" || expect == "timed_out" ? kShort : kLong;
      const CRun result = run(attack.source, wanted("input"), limits);
      const bool is_any =
          expect == "any" || (GetParam() == Sandbox::Kind::landlock && wanted("fallback") == "any");
      if (expect == "compile_error") {
        EXPECT_FALSE(result.compiled);
        EXPECT_FALSE(result.run);
        EXPECT_THAT(result.compile.err, testing::Not(HasSubstr("root:")));
        EXPECT_THAT(result.compile.err, testing::Not(HasSubstr("HOME=")));
        continue;
      }
      if (!is_any) {
        ASSERT_TRUE(result.compiled) << result.compile.err;
      }
      if (!result.run) continue;
      if (!is_any) {
        EXPECT_EQ(describe(*result.run), expect) << result.run->err;
      }
      EXPECT_TRUE(is_valid_utf8(result.run->out));
      if (measures_time()) {
        EXPECT_LT(result.run->wall_seconds, limits.wall_seconds + 0.5);
      }
      if (!is_any && !wanted("out").empty()) {
        EXPECT_EQ(result.run->out, wanted("out") + "\n");
      }
      if (!wanted("never").empty()) {
        EXPECT_THAT(result.run->out, testing::Not(HasSubstr(wanted("never"))));
      }
      if (!wanted("refused").empty()) {
        EXPECT_THAT(result.run->refused_files, testing::Contains(wanted("refused")));
        EXPECT_FALSE(std::filesystem::exists(
            std::filesystem::symlink_status(folder_ + "/" + wanted("refused"))));
      }
      if (const std::string file = wanted("file"); !file.empty()) {
        const size_t space = file.find(' ');
        const std::string path = folder_ + "/" + file.substr(0, space);
        const auto content = read_file(path, 1000);
        ASSERT_TRUE(content) << path;
        EXPECT_EQ(*content, file.substr(space + 1));
        const auto mode = std::filesystem::status(path).permissions();
        EXPECT_EQ(mode & std::filesystem::perms::set_uid, std::filesystem::perms::none);
      }
    }
  }
  EXPECT_EQ(programs_that_live(), 0);
  EXPECT_EQ(open_descriptors(), n_descriptors);
}

TEST_P(Box, LeavesNothingBehind) {
  const auto n_descriptors = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    run(read_attack("daemon.c").source);
    run(read_attack("fork_count.c").source);
  }
  EXPECT_EQ(programs_that_live(), 0);
  EXPECT_EQ(open_descriptors(), n_descriptors);
}

// What a box costs a program that does nothing, printed; held to 50 ms in the long run.
TEST_P(Box, StartsQuickly) {
  std::vector<double> seconds;
  for (int i = 0; i < 21; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto result = box_->run({.command = {"/usr/bin/true"}, .folder = folder_});
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_EQ(result->exit_code, 0) << result->err;
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("a box starts and ends in %.1f ms (median of 21)\n", median * 1e3);
  if (measures_time()) {
    EXPECT_LT(median, 0.05);
  }
}

TEST_P(Box, StopsWhenAsked) {
  std::atomic<bool> cancelled = true;
  const auto result = run_c(*box_, {.source = "int main(void) { for (;;); }",
                                    .run_limits = {.wall_seconds = 60, .cpu_seconds = 60},
                                    .cancelled = &cancelled});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->compile.end, SandboxResult::End::cancelled);
}

TEST_P(Box, DiagnosticsAndHintsReachTheLearner) {
  const CRun warned = run("int main(void) { int x; return 0; }");
  EXPECT_TRUE(warned.compiled);
  EXPECT_THAT(warned.compile.err, HasSubstr("main.c:1"));
  EXPECT_THAT(warned.compile.err, HasSubstr("unused variable"));
  const CRun broken = run("int main(void) { return 0 }");
  EXPECT_FALSE(broken.compiled);
  EXPECT_THAT(broken.compile.err, HasSubstr("error:"));
  EXPECT_THAT(run(read_attack("null_pointer.c").source).hint, HasSubstr("SIGSEGV"));
  EXPECT_THAT(run("int main(void) { for (;;); }").hint, HasSubstr("loop"));
}

TEST_P(Box, AddressSanitizerWorksInIt) {
  const auto result = run_c(
      *box_, {.source = "#include <stdlib.h>\nint main(void) { char *p = malloc(4); p[4] = 1; "
                        "int x = p[4]; free(p); return x; }",
              .sanitize = true,
              .run_limits = {.wall_seconds = 10, .cpu_seconds = 10}});
  ASSERT_TRUE(result) << result.error().message;
  if (!result->compiled) GTEST_SKIP() << result->compile.err;
  ASSERT_TRUE(result->run);
  EXPECT_THAT(result->run->err, HasSubstr("heap-buffer-overflow"));
  EXPECT_THAT(result->run->err, HasSubstr("main.c:2"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Box,
                         testing::Values(Sandbox::Kind::bubblewrap, Sandbox::Kind::landlock),
                         [](const auto& kind) {
                           return kind.param == Sandbox::Kind::bubblewrap ? "Bubblewrap"
                                                                          : "Landlock";
                         });

TEST(OutputWindow, KeepsHeadAndTail) {
  OutputWindow window(10);
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz")) window.add({&c, 1});
  EXPECT_TRUE(window.is_cut());
  EXPECT_EQ(window.text(), "abcde\n[... 16 bytes left out ...]\nvwxyz");
  OutputWindow whole(10);
  whole.add("0123456789");
  EXPECT_FALSE(whole.is_cut());
  EXPECT_EQ(whole.text(), "0123456789");
}

TEST(OutputWindow, NeverCutsACharacterInTwo) {
  for (uint64_t size = 2; size < 24; size += 2) {
    OutputWindow window(size);
    for (int i = 0; i < 20; ++i) window.add("你");
    const std::string text = window.text();
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_THAT(text, testing::Not(HasSubstr("\xEF\xBF\xBD")));
  }
}

TEST(BoxFolder, RemovesWhatIsTooDeepForAPath) {
  const std::string folder = testing::TempDir() + "/jiang-deep-" + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  const std::string here = std::filesystem::current_path();
  ASSERT_EQ(chdir(folder.c_str()), 0);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(mkdir("d", 0700), 0);
    ASSERT_EQ(chdir("d"), 0);
  }
  ASSERT_EQ(chdir(here.c_str()), 0);
  const Status removed = remove_folder(folder);
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace jiang
