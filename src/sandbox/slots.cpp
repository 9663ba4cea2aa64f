#include "sandbox/slots.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>

#include "sandbox/box_folder.h"

namespace jiang {
namespace {

// Users of boxes when we are root: a range that distributions leave alone (systemd's dynamic users
// end at 65519). Each process of jiang starts somewhere else in it, and each run has the next one:
// the first process of an ended box counts as its user's until the host's init has waited for it,
// which in a container may take seconds.
constexpr uid_t kFirstUser = 1'700'000'000;
constexpr uid_t kUsers = 100'000'000;

uid_t next_user() {
  static std::atomic<uid_t> next = std::random_device{}() % kUsers;
  return kFirstUser + next.fetch_add(1, std::memory_order_relaxed) % kUsers;
}

constexpr std::string_view kRootName = "jiang-box-";
constexpr std::string_view kRandom = "XXXXXX";  // what mkdtemp replaces

// Only what we name so ourselves: `jiang-box-notes` in the same folder is somebody's own.
bool is_root_name(std::string_view name) {
  return name.size() == kRootName.size() + kRandom.size() &&
         name.substr(0, kRootName.size()) == kRootName &&
         std::all_of(name.begin() + kRootName.size(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
         });
}

// The folder, open and locked by us: nothing while its process lives, or if it is another user's.
std::optional<OwnedDescriptor> lock_folder(const std::string& folder, int how) {
  OwnedDescriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat about = {};
  if (opened.get() < 0 || fstat(opened.get(), &about) != 0 || about.st_uid != geteuid() ||
      flock(opened.get(), how) != 0) {
    return std::nullopt;
  }
  return opened;
}

// A process that was killed could not remove its folder: whoever comes next does.
void remove_folders_of_the_dead(const std::string& tmp) {
  DIR* const listing = opendir(tmp.c_str());
  if (!listing) return;
  while (const dirent* entry = readdir(listing)) {
    if (!is_root_name(entry->d_name)) continue;
    const std::string folder = tmp + "/" + entry->d_name;
    if (const auto lock = lock_folder(folder, LOCK_EX | LOCK_NB)) (void)remove_folder(folder);
  }
  closedir(listing);
}

}  // namespace

Result<std::unique_ptr<Slots>> Slots::create(int n_slots) {
  const char* set = getenv("TMPDIR");
  const std::string tmp = set && *set ? set : "/tmp";
  remove_folders_of_the_dead(tmp);
  // Between making the folder and locking it, another process may take it for a dead one's.
  for (int attempt = 0; attempt < 10; ++attempt) {
    std::string root = fmt::format("{}/{}{}", tmp, kRootName, kRandom);
    if (!mkdtemp(root.data())) {
      return fail(ErrorKind::io, "{}: no folder for boxes could be made: {}", root,
                  strerror(errno));
    }
    auto lock = lock_folder(root, LOCK_EX);
    if (!lock) {
      rmdir(root.c_str());
      continue;
    }
    struct stat about = {};
    // The boxes' users pass through it, and can list nothing.
    if (fchmod(lock->get(), 0711) == 0 && stat(root.c_str(), &about) == 0) {
      return std::unique_ptr<Slots>(new Slots(std::move(root), *std::move(lock), n_slots));
    }
  }
  return fail(ErrorKind::io, "{}: a folder for boxes can be made there but not locked", tmp);
}

Slots::~Slots() { (void)remove_folder(root_); }

Result<std::unique_ptr<Slots::Slot>> Slots::take() {
  int index = 0;
  {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [&] {
      return std::find(is_taken_.begin(), is_taken_.end(), false) != is_taken_.end();
    });
    index =
        static_cast<int>(std::find(is_taken_.begin(), is_taken_.end(), false) - is_taken_.begin());
    is_taken_[index] = true;
  }
  std::optional<uid_t> user;
  if (geteuid() == 0) user = next_user();
  const std::string folder = root_ + "/" + std::to_string(index);
  std::unique_ptr<Slot> slot(new Slot(*this, index, folder, user));
  if (mkdir(folder.c_str(), 0700) != 0 || (user && chown(folder.c_str(), *user, *user) != 0)) {
    return fail(ErrorKind::io, "{}: the box's folder could not be made: {}", folder,
                strerror(errno));
  }
  return slot;
}

Slots::Slot::~Slot() {
  // What cannot be removed makes the next run in this slot fail, loudly.
  (void)remove_folder(folder_);
  slots_.give_back(index_);
}

void Slots::give_back(int index) {
  {
    const std::lock_guard lock(mutex_);
    is_taken_[index] = false;
  }
  given_back_.notify_one();
}

}  // namespace jiang
