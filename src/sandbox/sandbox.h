// Sandbox: runs a program that nobody trusts, in a box: no network, no files but its own folder,
// limits on time, memory, processes, files and output. bubblewrap + seccomp where it works,
// Landlock + seccomp otherwise; where neither holds, open() fails and says why. Children are the
// only processes that jiang starts.
//
// Thread-safe; several boxes may run at once, up to `max_parallel`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace jiang {

struct SandboxLimits {
  double wall_seconds = 10;
  double cpu_seconds = 5;
  uint64_t memory_bytes = uint64_t{256} << 20;
  int32_t processes = 16;
  uint64_t file_bytes = uint64_t{16} << 20;    // of one file, and of the folder's tmpfs
  uint64_t output_bytes = uint64_t{64} << 10;  // of stdout and stderr each; head and tail are kept
};

struct SandboxRequest {
  std::vector<std::string> command;  // argv; the program by absolute path, or by name in /usr/bin
  std::string input = {};            // stdin
  // A folder of the caller's that the box sees as its only writable place, /work; "" for none.
  std::string folder = {};
  SandboxLimits limits = {};
  // A compiler may start programs and read headers; what was compiled gets the narrow filter.
  enum class Profile : uint8_t { compile, run };
  Profile profile = Profile::run;
  const std::atomic<bool>* cancelled = nullptr;  // polled; true ends it
};

struct SandboxResult {
  enum class End : uint8_t { exited, signalled, timed_out, memory, output, cancelled };
  End end = End::exited;
  int exit_code = 0;
  int signal = 0;
  std::string out;  // valid UTF-8; what was cut is said in its place
  std::string err;
  bool out_cut = false;
  bool err_cut = false;
  double wall_seconds = 0;
  double cpu_seconds = 0;
};

class Sandbox {
 public:
  enum class Kind : uint8_t { bubblewrap, landlock };
  // Proves the box by a self-test; fails closed. `forced`: for tests.
  static Result<std::unique_ptr<Sandbox>> open(std::optional<Kind> forced = {});
  virtual ~Sandbox() = default;
  virtual Kind kind() const = 0;
  virtual Result<SandboxResult> run(const SandboxRequest& request) = 0;
};

}  // namespace jiang
