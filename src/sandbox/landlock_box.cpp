// Where no namespace may be opened: Landlock allows /usr and the box's folder, seccomp does the
// rest. What runs is one process with threads; what compiles may start programs, all of which are
// killed afterwards.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "sandbox/box_folder.h"
#include "sandbox/boxes.h"
#include "sandbox/child.h"
#include "sandbox/slots.h"

namespace jiang {
namespace {

// linux/landlock.h of Debian 12 ends before truncation, networks and scopes: the numbers are here.
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#endif
constexpr uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDir = 1 << 3;
constexpr uint64_t kRefer = 1 << 13, kTruncate = 1 << 14, kIoctlDevice = 1 << 15;
constexpr uint64_t kAllOfAbi1 = (1 << 13) - 1;
constexpr uint64_t kMakeDevices = (1 << 6) | (1 << 9) | (1 << 11);  // char, socket, block
constexpr uint64_t kBindTcp = 1 << 0, kConnectTcp = 1 << 1;
constexpr uint64_t kScopeAbstractSockets = 1 << 0, kScopeSignals = 1 << 1;
constexpr uint32_t kVersionQuery = 1 << 0;
constexpr uint32_t kRulePathBeneath = 1;
constexpr int kAbiOfScopes = 6;

struct RulesetAttributes {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};
struct [[gnu::packed]] PathRule {
  uint64_t allowed;
  int32_t parent;
};

int landlock_abi() {
  return static_cast<int>(syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionQuery));
}

uint64_t handled_files(int abi) {
  uint64_t files = kAllOfAbi1;
  if (abi >= 2) files |= kRefer;
  if (abi >= 3) files |= kTruncate;
  if (abi >= 5) files |= kIoctlDevice;
  return files;
}

class Ruleset {
 public:
  static Result<Ruleset> create(int abi) {
    const RulesetAttributes attributes = {
        .files = handled_files(abi),
        .network = abi >= 4 ? kBindTcp | kConnectTcp : 0,
        .scopes = abi >= kAbiOfScopes ? kScopeAbstractSockets | kScopeSignals : 0};
    const size_t size = abi >= kAbiOfScopes ? 24 : abi >= 4 ? 16 : 8;
    const auto descriptor =
        static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, size, 0));
    if (descriptor < 0) {
      return fail(ErrorKind::unsupported, "Landlock made no ruleset: {}", strerror(errno));
    }
    return Ruleset(descriptor, attributes.files);
  }
  Ruleset(Ruleset&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), handled_(other.handled_) {}
  ~Ruleset() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  int descriptor() const { return descriptor_; }
  // A path that does not exist is no error: there is nothing to allow.
  Status allow(const char* path, uint64_t what) {
    const int parent = open(path, O_PATH | O_CLOEXEC);
    if (parent < 0) return ok();
    const PathRule rule = {.allowed = what & handled_, .parent = parent};
    const long result = syscall(SYS_landlock_add_rule, descriptor_, kRulePathBeneath, &rule, 0);
    const int error = errno;
    close(parent);
    if (result < 0) return fail(ErrorKind::io, "{}: Landlock: {}", path, strerror(error));
    return ok();
  }

 private:
  Ruleset(int descriptor, uint64_t handled) : descriptor_(descriptor), handled_(handled) {}
  int descriptor_;
  uint64_t handled_;
};

// Kills every process of a user that is only a box's.
void kill_user(uid_t user) {
  const pid_t killer = fork();
  if (killer == 0) {
    if (syscall(SYS_setresuid, user, user, user) == 0) syscall(SYS_kill, -1, SIGKILL);
    syscall(SYS_exit_group, 0);
  }
  if (killer > 0) waitpid(killer, nullptr, 0);
}

class LandlockBox : public Sandbox {
 public:
  LandlockBox(std::unique_ptr<Slots> slots, SeccompProgram compile, SeccompProgram run, int abi)
      : slots_(std::move(slots)), compile_(std::move(compile)), run_(std::move(run)), abi_(abi) {}

  Kind kind() const override { return Kind::landlock; }
  int parallel() const override { return slots_->count(); }

  Result<SandboxResult> run(const SandboxRequest& request) override {
    JIANG_CHECK(!request.command.empty(), "a box without a command");
    TRY(const auto slot, slots_->take());
    if (!request.folder.empty()) {
      TRY_STATUS(copy_into_box(request.folder, slot->folder(), slot->user().value_or(geteuid()),
                               request.limits));
    }
    TRY(Ruleset ruleset, Ruleset::create(abi_));
    const uint64_t read = kReadFile | kReadDir;
    for (const char* path : {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32"}) {
      TRY_STATUS(ruleset.allow(path, read | kExecute));
    }
    for (const char* path : {"/dev/zero", "/dev/urandom", "/dev/random"}) {
      TRY_STATUS(ruleset.allow(path, kReadFile));
    }
    TRY_STATUS(ruleset.allow("/dev/null", kReadFile | kWriteFile | kTruncate));
    TRY_STATUS(ruleset.allow(slot->folder().c_str(), ~kMakeDevices & ~kIoctlDevice));

    const bool is_run = request.profile == SandboxRequest::Profile::run;
    std::vector<std::string> environment = box_environment(request);
    environment.push_back("TMPDIR=" + slot->folder());
    const ChildSetup setup = {.command = in_folder(request.command, slot->folder()),
                              .environment = std::move(environment),
                              .folder = slot->folder(),
                              .user = slot->user(),
                              .landlock = ruleset.descriptor(),
                              .filter = is_run ? &run_ : &compile_,
                              .count_own_processes = !slot->user()};
    const ChildWatch watch = {.resident_bytes = resident_bytes_below, .folder = slot->folder()};
    auto result = run_child(setup, watch, request);
    if (slot->user()) kill_user(*slot->user());
    if (result && !request.folder.empty()) {
      TRY(result->refused_files, copy_out_of_box(slot->folder(), request.folder, request.limits));
    }
    return result;
  }

 private:
  // There is no /work here: what the caller says of it means the folder.
  static std::vector<std::string> in_folder(std::vector<std::string> command,
                                            const std::string& folder) {
    for (std::string& argument : command) {
      if (argument == "/work" || argument.starts_with("/work/")) {
        argument = folder + argument.substr(5);
      }
    }
    return command;
  }

  const std::unique_ptr<Slots> slots_;
  const SeccompProgram compile_;
  const SeccompProgram run_;
  const int abi_;
};

}  // namespace

Result<std::unique_ptr<Sandbox>> open_landlock_box(int n_slots) {
  const int abi = landlock_abi();
  if (abi < 1) {
    return fail(ErrorKind::unsupported, "this kernel has no Landlock, or it is switched off");
  }
  if (geteuid() != 0 && abi < kAbiOfScopes) {
    return fail(ErrorKind::unsupported,
                "this kernel's Landlock (version {}) does not hold signals in, version {} does",
                abi, kAbiOfScopes);
  }
  TRY(auto slots, Slots::create(n_slots));
  TRY(auto compile, seccomp_program(SandboxRequest::Profile::compile, MayFork::yes));
  TRY(auto run, seccomp_program(SandboxRequest::Profile::run, MayFork::no));
  return std::unique_ptr<Sandbox>(
      new LandlockBox(std::move(slots), std::move(compile), std::move(run), abi));
}

}  // namespace jiang
