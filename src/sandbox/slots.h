// Slots: how many boxes run at once, and the folder of each, made anew for every run. Started as
// root, each slot has a user of its own, so that neither a limit on processes nor a signal of one
// box reaches another, or us.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/owned_descriptor.h"
#include "base/result.h"

namespace jiang {

class Slots {
 public:
  // Folders lie below a fresh folder in the system's place for temporary files. It stays locked
  // while we live; those of our user's processes that were killed are removed.
  static Result<std::unique_ptr<Slots>> create(int n_slots);
  ~Slots();

  const std::string& root() const { return root_; }
  int count() const { return static_cast<int>(is_taken_.size()); }

  class Slot {
   public:
    ~Slot();  // removes the folder, gives the slot back
    Slot(const Slot&) = delete;
    const std::string& folder() const { return folder_; }
    std::optional<uid_t> user() const { return user_; }

   private:
    friend class Slots;
    Slot(Slots& slots, int index, std::string folder, std::optional<uid_t> user)
        : slots_(slots), index_(index), folder_(std::move(folder)), user_(user) {}
    Slots& slots_;
    const int index_;
    const std::string folder_;
    const std::optional<uid_t> user_;
  };
  // Waits for a free slot; an empty folder of the slot's user.
  Result<std::unique_ptr<Slot>> take();

 private:
  Slots(std::string root, OwnedDescriptor lock, int n_slots)
      : root_(std::move(root)), lock_(std::move(lock)), is_taken_(n_slots, false) {}
  void give_back(int index);

  const std::string root_;
  const OwnedDescriptor lock_;  // root_, open and locked (flock)
  std::mutex mutex_;            // guards is_taken_
  std::condition_variable given_back_;
  std::vector<bool> is_taken_;
};

}  // namespace jiang
