// CheckMark: a note beside a file of packed weights that every byte of it was found right since the
// machine was started, and that the file has not changed since. Reading 1 GB to check it takes as
// long as everything else of a start; what the system says of the file (inode, size, times) is what
// is believed of the source's files, too.
//
// The mark is good for one start of the machine: what a disk loses in between is found again.
#pragma once

#include <string>

#include "weights/guarded_file.h"

namespace jiang {

class CheckMark {
 public:
  // Of `file`, as it is now, which lies at `path`. Make it before the file is checked. A change
  // shows in the times of a file that has been as it is for `settled_seconds`: their grain is
  // finer.
  CheckMark(const std::string& path, const GuardedFile& file, double settled_seconds);

  bool is_there() const;
  // After the check. Does nothing where the file has not settled, lies where other machines write,
  // or nothing can be written: then the next start checks again.
  void write() const;

 private:
  std::string path_;
  std::string text_;  // what it says; empty: no mark can be believed
  bool is_settled_ = false;
};

}  // namespace jiang
