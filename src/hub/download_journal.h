// What of a .part file can be believed after a crash: PART.journal.
//
// Lines of text, each with its checksum; reading stops at the first that does not fit. The first
// line says which file this is (size, identity). Chunks are noted when they are written: that
// survives the death of the process. `synced` says that all chunks noted before it are on the disk
// itself: only those count when the machine was started anew since (the boot id tells).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace jiang {

struct JournalHead {
  uint64_t file_bytes = 0;
  uint64_t chunk_bytes = 0;
  std::string identity;  // "sha256:..." or "etag:...", without spaces
  bool operator==(const JournalHead&) const = default;
};

// The chunks that are there, or nothing when the journal is absent, of another file, or damaged.
std::vector<uint64_t> read_journal(const std::string& path, const JournalHead& head);

class JournalWriter {
 public:
  // Starts the journal anew with the chunks known.
  static Result<JournalWriter> create(const std::string& path, const JournalHead& head,
                                      const std::vector<uint64_t>& chunks);
  JournalWriter(JournalWriter&& other) noexcept;
  JournalWriter& operator=(JournalWriter&&) = delete;
  ~JournalWriter();

  Status add(uint64_t chunk);
  Status synced();  // after the data was flushed

 private:
  JournalWriter() = default;
  Status append(const std::string& text);
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace jiang
