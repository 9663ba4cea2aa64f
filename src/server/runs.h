// Runs: answers that are being written. A run belongs to the server, not to a connection: it goes
// on when the page leaves, and its events can be read again.
//
// Any thread. A few starter threads wait for models and prompts; one pump thread reads all streams
// as they tell it, and saves what came every 200 ms. A run's end is on the disk before its "done"
// is told.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/abilities.h"
#include "agent/agent_stream.h"
#include "base/result.h"
#include "runtime/model_manager.h"
#include "server/event_log.h"
#include "server/worker_pool.h"
#include "storage/conversations.h"

namespace jiang {

// An agent that answers with its hands.
struct RunAgent {
  AgentSpec spec = {};
  const AgentHost* host = nullptr;     // outlives the run
  std::set<std::string> allowed = {};  // tools that need no asking
  std::string folder = {};             // of the conversation; made when a tool wants it
  std::string files_url = {};
  bool has_untrusted_text = false;  // an earlier answer read the web
};

struct RunPlan {
  std::string id = {};  // Runs::new_id(); in the message's row already
  std::string user_id = {};
  std::string conversation = {};  // "": temporary, nothing is saved
  Message answer = {};            // what it begins with; "" but when it is continued
  std::string model = {};
  ChatRequest request = {};
  Json settings = {};  // checked already; over what the model's own files say
  std::string prompt_hash = {};
  std::string new_title = {};  // told as the first event
  std::optional<RunAgent> agent = {};
};

struct RunsOptions {
  double keep_seconds = 600;  // after its end a run can still be read
  int32_t max_per_user = 16;  // at once
  double save_seconds = 0.2;
  // An answer began or ended: (user, conversation). Called under no lock.
  std::function<void(const std::string&, const std::string&)> changed = {};
};

class Runs {
 public:
  Runs(ModelManager& models, Conversations& conversations, RunsOptions options = {});
  ~Runs();  // shut_down()

  static std::string new_id();
  // too_large when the user has too many already: ask before a message is stored.
  Status may_start(const std::string& user_id);
  void start(RunPlan plan);
  // nullptr: gone, or somebody else's.
  EventLogPtr events(const std::string& id, const std::string& user_id);
  // The answer ends within a token, as "stopped". False: gone, or somebody else's.
  bool stop(const std::string& id, const std::string& user_id);
  // Answers what an agent asks leave for. nullopt: nothing waits by this id, or the run is gone or
  // somebody else's.
  struct Approved {
    std::string agent_id;
    std::string tool;
  };
  std::optional<Approved> approve(const std::string& id, const std::string& user_id,
                                  const std::string& approval, Approval answer);
  // A user is gone: all of theirs stop.
  void stop_all_of(const std::string& user_id);
  // A stored message that is being written becomes what has come by now.
  void bring_up_to_date(Message& message);
  // Tokens per second of a model's last answer here.
  std::optional<double> speed_of(const std::string& model);
  // Every run ends as "interrupted"; returns when all are saved. No run starts any more.
  void shut_down();

 private:
  struct Run;
  using RunPtr = std::shared_ptr<Run>;

  RunPtr find(const std::string& id, const std::string& user_id);
  int32_t n_running(const std::string& user_id);
  std::vector<RunPtr> all_runs();
  void begin(const RunPtr& run);
  Result<std::shared_ptr<ChatStream>> open_stream(const RunPtr& run, const ModelLease& lease,
                                                  ChatRequest request);
  void wake(const RunPtr& run);
  void pump();
  void read_stream(const RunPtr& run);
  void tell_progress(const RunPtr& run, const std::vector<ModelStatus>& models);
  void save();
  void finish(const RunPtr& run, MessageStatus status, const std::string& error,
              const std::string& code, const Json& stats);
  void forget_old();

  ModelManager& models_;
  Conversations& conversations_;
  const RunsOptions options_;

  // Taken in this order: mutex_, a run's own, ready_mutex_ (which streams take when they tell).
  std::mutex mutex_;  // guards the following
  std::map<std::string, RunPtr> runs_;
  std::map<std::string, double> speeds_;
  bool is_shutting_down_ = false;

  std::mutex ready_mutex_;  // guards the following
  std::condition_variable woken_;
  std::set<RunPtr> ready_;  // their streams may have something
  int32_t n_active_ = 0;    // runs that are not over
  bool is_pump_over_ = false;

  std::unique_ptr<WorkerPool> starters_;
  std::thread pump_;
};

}  // namespace jiang
