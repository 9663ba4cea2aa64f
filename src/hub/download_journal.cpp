#include "hub/download_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/file.h"

namespace jiang {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;

uint32_t checksum(std::string_view text) {  // FNV-1a
  uint32_t sum = 2166136261u;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619u;
  return sum;
}

std::string line(const std::string& text) {
  return fmt::format("{} {:08x}\n", text, checksum(text));
}

std::string boot_id() {
  const auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
  return text && text->size() >= 36 ? text->substr(0, 36) : "unknown";
}

std::string head_text(const JournalHead& head, const std::string& boot) {
  return fmt::format("jiang-download 1 {} {} {} {}", head.file_bytes, head.chunk_bytes,
                     head.identity, boot);
}

}  // namespace

std::vector<uint64_t> read_journal(const std::string& path, const JournalHead& head) {
  const auto read = read_file(path, kMaxBytes);
  if (!read) return {};
  const std::string_view text = *read;
  std::vector<uint64_t> chunks;
  size_t n_synced = 0;
  bool same_boot = false, has_head = false;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    const std::string_view whole = text.substr(begin, end - begin);
    begin = end + 1;
    if (whole.size() < 10) break;
    const std::string_view content = whole.substr(0, whole.size() - 9);
    if (whole != fmt::format("{} {:08x}", content, checksum(content))) break;
    if (!has_head) {
      const std::string now = boot_id();
      const size_t space = content.rfind(' ');
      const std::string boot(content.substr(space + 1));
      if (content != head_text(head, boot)) return {};
      same_boot = boot == now && now != "unknown";
      has_head = true;
    } else if (content == "synced") {
      n_synced = chunks.size();
    } else {
      uint64_t chunk = 0;
      const char* last = content.data() + content.size();
      const auto [stop, error] = std::from_chars(content.data(), last, chunk);
      if (error != std::errc() || stop != last) break;
      chunks.push_back(chunk);
    }
  }
  if (!same_boot) chunks.resize(n_synced);
  return chunks;
}

Result<JournalWriter> JournalWriter::create(const std::string& path, const JournalHead& head,
                                            const std::vector<uint64_t>& chunks) {
  // Written whole beside it first: a crash here must not lose what the old one knew.
  std::string text = line(head_text(head, boot_id()));
  for (const uint64_t chunk : chunks) text += line(std::to_string(chunk));
  if (!chunks.empty()) text += line("synced");
  TRY_STATUS(write_file(path, text));
  JournalWriter writer;
  writer.path_ = path;
  writer.descriptor_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
  if (writer.descriptor_ < 0) {
    return fail(ErrorKind::io, "{}: cannot open: {}", path, std::strerror(errno));
  }
  return writer;
}

JournalWriter::JournalWriter(JournalWriter&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

JournalWriter::~JournalWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status JournalWriter::append(const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(descriptor_, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorKind::io, "{}: cannot write: {}", path_, std::strerror(errno));
    done += static_cast<size_t>(count);
  }
  return ok();
}

Status JournalWriter::add(uint64_t chunk) { return append(line(std::to_string(chunk))); }

Status JournalWriter::synced() {
  TRY_STATUS(append(line("synced")));
  if (::fdatasync(descriptor_) != 0) {
    return fail(ErrorKind::io, "{}: cannot flush: {}", path_, std::strerror(errno));
  }
  return ok();
}

}  // namespace jiang
