#include "agent/agent_folder.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "base/file.h"

namespace jiang {
namespace {

constexpr size_t kMaxFile = size_t{1} << 20;
constexpr size_t kMaxAgents = 1000;
constexpr int kSettleMillis = 50;  // editors write a file in several steps
constexpr int kPollMillis = 1000;  // where the folder cannot be watched, or does not exist yet

// "x.toml:7: what" -> line 7 and what. Other messages keep their text.
AgentProblem problem_of(const std::string& file, const std::string& message) {
  AgentProblem problem{.file = file, .line = 0, .message = message};
  const std::string start = file + ":";
  if (message.compare(0, start.size(), start) != 0) return problem;
  size_t at = start.size();
  int line = 0;
  while (at < message.size() && message[at] >= '0' && message[at] <= '9' && line < 1000000) {
    line = line * 10 + (message[at++] - '0');
  }
  if (at + 1 < message.size() && message[at] == ':' && line > 0) {
    problem.line = line;
    problem.message = message.substr(at + 2);
  } else if (message.size() > start.size() + 1) {
    problem.message = message.substr(start.size() + 1);
  }
  return problem;
}

struct State {
  std::map<std::string, AgentSpec> agents;       // of files, by id
  std::map<std::string, std::string> texts;      // of every file as it was read last, by id
  std::map<std::string, AgentProblem> problems;  // by file
};

class WatchedFolder final : public AgentFolder {
 public:
  WatchedFolder(std::string folder, std::function<void()> changed)
      : folder_(std::move(folder)), changed_(std::move(changed)) {
    reload();
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    thread_ = std::thread([this] { watch(); });
  }
  ~WatchedFolder() override {
    stopping_ = true;
    const uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
    thread_.join();
    ::close(wake_);
  }

  std::vector<AgentSpec> agents() const override {
    const std::lock_guard lock(mutex_);
    std::vector<AgentSpec> all = {craftsman()};
    for (const auto& [id, spec] : state_.agents) all.push_back(spec);
    return all;
  }
  std::vector<AgentProblem> problems() const override {
    const std::lock_guard lock(mutex_);
    std::vector<AgentProblem> all;
    for (const auto& [file, problem] : state_.problems) all.push_back(problem);
    return all;
  }
  std::optional<AgentSpec> find(std::string_view id_or_name) const override {
    const std::vector<AgentSpec> all = agents();
    for (const AgentSpec& spec : all) {
      if (spec.id == id_or_name) return spec;
    }
    for (const AgentSpec& spec : all) {
      if (spec.name == id_or_name) return spec;
    }
    return std::nullopt;
  }
  bool has_file(std::string_view id) const override {
    const std::lock_guard lock(mutex_);
    return state_.texts.count(std::string(id)) != 0;
  }
  Status put(const AgentSpec& spec) override {
    if (spec.id == craftsman().id) {
      return fail(ErrorKind::invalid_argument,
                  "id: {} is built in; copy it under another id to change it", spec.id);
    }
    // What is written must be what is read back.
    TRY_STATUS(parse_agent_toml(to_toml(spec), spec.id, "agent"));
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error) return fail(ErrorKind::io, "{}: {}", folder_, error.message());
    TRY_STATUS(write_file(path_of(spec.id), to_toml(spec)));
    reload_and_tell();
    return ok();
  }
  Status remove(std::string_view id) override {
    if (id == craftsman().id) {
      return fail(ErrorKind::invalid_argument, "id: {} is built in and stays", id);
    }
    if (!has_file(id)) return fail(ErrorKind::not_found, "there is no agent {}", id);
    std::error_code error;
    std::filesystem::remove(path_of(id), error);
    if (error) return fail(ErrorKind::io, "{}: {}", path_of(id), error.message());
    reload_and_tell();
    return ok();
  }

 private:
  std::string path_of(std::string_view id) const {
    return (std::filesystem::path(folder_) / (std::string(id) + ".toml")).string();
  }

  void read_one(const std::string& id, const std::string& text, const State& before,
                State& after) const {
    const std::string file = id + ".toml";
    after.texts[id] = text;
    auto spec = parse_agent_toml(text, id, file);
    if (spec && id == craftsman().id) {
      spec = fail(ErrorKind::invalid_argument, "{}: {} is built in; give the file another name",
                  file, id);
    }
    if (spec) {
      after.agents[id] = *std::move(spec);
      return;
    }
    after.problems[file] = problem_of(file, spec.error().message);
    // A bad file never takes the agent down that it was before.
    const auto was = before.agents.find(id);
    if (was != before.agents.end()) after.agents[id] = was->second;
  }

  // True when something is other than before.
  bool reload() {
    const std::lock_guard reloading(reload_mutex_);
    State before;
    {
      const std::lock_guard lock(mutex_);
      before = state_;
    }
    State after;
    std::error_code error;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
      if (entry.path().extension() == ".toml") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const std::filesystem::path& path : files) {
      const std::string file = path.filename().string();
      const std::string id = path.stem().string();
      if (after.texts.size() == kMaxAgents) {
        after.problems[file] = {file, 0, fmt::format("more than {} agents", kMaxAgents)};
        break;
      }
      const auto text = read_file(path.string(), kMaxFile);
      if (text) {
        read_one(id, *text, before, after);
      } else if (text.error().kind != ErrorKind::not_found) {
        after.problems[file] = {file, 0, text.error().message};
        const auto was = before.agents.find(id);
        if (was != before.agents.end()) after.agents[id] = was->second;
      }
    }
    const bool same =
        after.texts == before.texts && after.problems.size() == before.problems.size();
    const std::lock_guard lock(mutex_);
    state_ = std::move(after);
    return !same;
  }

  void reload_and_tell() {
    if (reload() && changed_) changed_();
  }

  void watch() {
    const int notify = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int watched = -1;
    while (!stopping_) {
      if (notify >= 0 && watched < 0) {
        watched = ::inotify_add_watch(notify, folder_.c_str(),
                                      IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                          IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
        if (watched >= 0) reload_and_tell();  // what happened before the watch
      }
      std::array<pollfd, 2> waiting = {
          pollfd{.fd = wake_, .events = POLLIN, .revents = 0},
          pollfd{.fd = watched >= 0 ? notify : -1, .events = POLLIN, .revents = 0}};
      const int ready = ::poll(waiting.data(), waiting.size(), watched >= 0 ? -1 : kPollMillis);
      if (stopping_) break;
      if (watched < 0) {
        reload_and_tell();
        continue;
      }
      if (ready <= 0) continue;
      // Let the writer finish, then read all that came as one change.
      ::poll(waiting.data(), 1, kSettleMillis);
      alignas(inotify_event) std::array<char, 4096> events;
      ssize_t count = 0;
      while ((count = ::read(notify, events.data(), events.size())) > 0) {
        for (ssize_t at = 0; at < count;) {
          const auto* event = reinterpret_cast<const inotify_event*>(events.data() + at);
          if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
            ::inotify_rm_watch(notify, watched);
            watched = -1;
          }
          at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
          if (watched < 0) break;
        }
        if (watched < 0) break;
      }
      reload_and_tell();
    }
    if (notify >= 0) ::close(notify);
  }

  const std::string folder_;
  const std::function<void()> changed_;
  std::mutex reload_mutex_;   // one reload at a time; taken before mutex_
  mutable std::mutex mutex_;  // guards state_
  State state_;
  std::atomic<bool> stopping_ = false;
  int wake_ = -1;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<AgentFolder>> AgentFolder::open(std::string folder,
                                                       std::function<void()> changed) {
  return std::unique_ptr<AgentFolder>(
      std::make_unique<WatchedFolder>(std::move(folder), std::move(changed)));
}

}  // namespace jiang
