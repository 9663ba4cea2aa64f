// Sandbox: runs a program that nobody trusts, in a box: no network, no files but its own folder,
// limits on time, memory, processes, files and output. bubblewrap + seccomp where it works,
// Landlock + seccomp otherwise; where neither holds, open() fails and says why. Boxes are the only
// processes that jiang starts. The kernel is shared: a hole in it defeats the box.
//
// Thread-safe; several boxes may run at once, up to parallel(), the others wait for their turn.
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
  uint64_t memory_bytes = uint64_t{256} << 20;  // of all its processes together
  int32_t processes = 16;                       // threads count
  uint64_t file_bytes = uint64_t{16} << 20;     // of one file, and of all in the folder
  int32_t files = 64;                           // in the folder
  uint64_t output_bytes = uint64_t{64} << 10;   // of stdout and stderr each: head and tail are kept
};

struct SandboxRequest {
  std::vector<std::string> command;           // argv; the program by absolute path
  std::string input = {};                     // stdin
  std::vector<std::string> environment = {};  // "NAME=VALUE", beside PATH, LANG and HOME
  // A folder of the caller's. Its regular files are copied to /work, the box's only writable place
  // beside /tmp, and what the program leaves there as regular files is copied back. "": none.
  std::string folder = {};
  SandboxLimits limits = {};
  // A compiler may start programs and read headers; what was compiled gets the narrow filter.
  enum class Profile : uint8_t { compile, run };
  Profile profile = Profile::run;
  // Without a bound on addresses, for programs that map terabytes (AddressSanitizer); the sum of
  // what is resident is watched all the same.
  bool maps_freely = false;
  const std::atomic<bool>* cancelled = nullptr;  // polled; true ends it
};

struct SandboxResult {
  // memory, disk and output: ended for passing that limit.
  enum class End : uint8_t { exited, signalled, timed_out, memory, disk, output, cancelled };
  End end = End::exited;
  int exit_code = 0;  // when exited
  int signal = 0;     // when signalled
  std::string out;    // valid UTF-8; where something was cut, a line says how much
  std::string err;
  bool out_cut = false;
  bool err_cut = false;
  // Left in the folder and not taken: links, devices, FIFOs, names and sizes beyond the limits.
  std::vector<std::string> refused_files;
  double wall_seconds = 0;
  double cpu_seconds = 0;
};

// "timed_out" and so on, as APIs and people read it.
const char* name_of(SandboxResult::End end);

class Sandbox {
 public:
  enum class Kind : uint8_t { bubblewrap, landlock };
  // Proves the box by a self-test; fails closed. `forced`: for tests.
  static Result<std::unique_ptr<Sandbox>> open(std::optional<Kind> forced = {});
  virtual ~Sandbox() = default;
  virtual Kind kind() const = 0;
  virtual int parallel() const = 0;
  virtual Result<SandboxResult> run(const SandboxRequest& request) = 0;
};

}  // namespace jiang
