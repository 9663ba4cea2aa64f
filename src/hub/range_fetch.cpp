#include "hub/range_fetch.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <vector>

#include "base/quantity.h"
#include "base/sha256.h"
#include "base/threads.h"

namespace jiang {
namespace {

Attempt retry_with(Error error) { return {Attempt::Kind::retry, std::move(error)}; }

// A connection that crawls is given up: its range comes sooner by another one.
class StallWatch {
 public:
  explicit StallWatch(const DownloadOptions& options) : options_(options) {}
  bool is_too_slow(uint64_t more_bytes) {
    bytes_ += more_bytes;
    const double seconds = steady_seconds() - start_;
    if (options_.stall_seconds <= 0 || seconds <= options_.stall_seconds || options_.limiter) {
      return false;
    }
    if (static_cast<double>(bytes_) <
        static_cast<double>(options_.min_bytes_per_second) * seconds) {
      return true;
    }
    start_ = steady_seconds();
    bytes_ = 0;
    return false;
  }

 private:
  const DownloadOptions& options_;
  double start_ = steady_seconds();
  uint64_t bytes_ = 0;
};

Status check_space(const std::string& label, const std::string& path, uint64_t wanted) {
  const std::string folder = path.substr(0, path.rfind('/'));
  struct statvfs space = {};
  if (::statvfs(folder.c_str(), &space) != 0) return ok();
  const uint64_t available = uint64_t{space.f_bavail} * space.f_frsize;
  if (wanted <= available) return ok();
  return fail(ErrorKind::io, "{} needs {} more in {}, and {} are free there", label,
              human_bytes(wanted), folder, human_bytes(available));
}

}  // namespace

RangeFetch::RangeFetch(Transfer& transfer, bool is_single)
    : transfer_(transfer),
      file_(transfer.file),
      options_(transfer.options),
      is_single_(is_single),
      map_(std::make_shared<ChunkMap>(*transfer.bytes, transfer.options.chunk_bytes)) {}

Result<JournalWriter> RangeFetch::prepare() {
  const uint64_t bytes = map_->file_bytes();
  const std::string etag = transfer_.validator.value();
  const bool is_resumable = !file_.sha256.empty() || !file_.git_id.empty() || !etag.empty();
  std::string identity = !file_.sha256.empty()   ? "sha256:" + file_.sha256
                         : !file_.git_id.empty() ? "git:" + file_.git_id
                                                 : "etag:" + sha256_hex(etag);
  const JournalHead head = {bytes, options_.chunk_bytes, std::move(identity)};
  TRY(const PartFile::Size there, transfer_.part.size());
  std::vector<uint64_t> chunks;
  if (is_resumable && !is_single_ && there.bytes == bytes) {
    chunks = read_journal(transfer_.journal_path, head);
  }
  for (const uint64_t chunk : chunks) map_->mark_done(chunk);
  TRY_STATUS(check_space(file_.label, transfer_.part.path(),
                         bytes - std::min(bytes, there.bytes_on_disk)));
  TRY_STATUS(transfer_.part.reserve(bytes));
  return JournalWriter::create(transfer_.journal_path, head, chunks);
}

Result<std::string> RangeFetch::run() {
  TRY(JournalWriter journal, prepare());
  journal_ = &journal;
  if (options_.on_start) options_.on_start(transfer_.part.path(), map_);

  const int n_workers = is_single_ ? 1 : std::max(options_.connections, 1);
  Threads workers;
  Status started = ok();
  for (int i = 0; i < n_workers && started; ++i) {
    ++n_working_;
    started = workers.start([this, n_workers] {
      work(n_workers);
      --n_working_;
    });
    if (!started) --n_working_;
  }
  // Fewer do the same work; none cannot.
  auto hashed = workers.size() > 0 ? watch() : Result<std::string>(started.error());
  stop_ = true;
  workers.join();
  journal_ = nullptr;
  if (!hashed) map_->fail_waiters(hashed.error());
  return hashed;
}

// The calling thread: progress, flushing, and the hash of what is there without a gap, so that
// little is left to hash at the end.
Result<std::string> RangeFetch::watch() {
  Sha256 digest;
  uint64_t hashed = 0, flushed = map_->bytes_done();
  std::vector<std::byte> piece(size_t{1} << 20);
  while (true) {
    const bool nobody_works = n_working_ == 0;
    if (transfer_.is_cancelled()) {
      TRY_STATUS(flush());
      return Transfer::cancelled_error();
    }
    {
      const std::lock_guard lock(mutex_);
      if (error_) return *error_;
    }
    const uint64_t prefix = map_->prefix();
    const double until = steady_seconds() + kDownloadTick;
    while (hashed < prefix && steady_seconds() < until) {
      const size_t count = std::min<uint64_t>(piece.size(), prefix - hashed);
      TRY(const size_t got, transfer_.part.read_at(hashed, std::span(piece).first(count)));
      digest.update(std::span(piece).first(got));
      hashed += got;
    }
    const uint64_t done = map_->bytes_done();
    if (done - flushed >= options_.sync_bytes) {
      TRY_STATUS(flush());
      flushed = done;
    }
    const bool is_whole = map_->is_whole();
    if (is_whole && hashed == map_->file_bytes()) {
      transfer_.report(DownloadPhase::verifying, done);
      TRY_STATUS(transfer_.part.flush());
      return digest.hex();
    }
    if (nobody_works && !is_whole) {
      return fail(ErrorKind::io, "{}: the connections ended early", file_.label);
    }
    transfer_.report(is_whole ? DownloadPhase::verifying : DownloadPhase::fetching, done);
    if (hashed == prefix && !is_whole) map_->wait_for_change(kDownloadTick);
  }
}

Status RangeFetch::flush() {
  TRY_STATUS(transfer_.part.flush_bytes());
  const std::lock_guard lock(mutex_);
  return journal_->synced();
}

// One connection, until all is there or somebody fails.
void RangeFetch::work(int n_workers) {
  const auto stop = [this] { return stop_.load(); };
  int attempt = 0;
  while (!stop_ && !transfer_.is_cancelled()) {
    const auto taken =
        is_single_ ? map_->take(1, ~uint64_t{0}) : map_->take(n_workers, options_.max_range_bytes);
    if (!taken) {
      if (map_->is_whole()) return;
      map_->wait_for_change(kDownloadTick);  // another connection may fail and give back
      continue;
    }
    ChunkMap::Segment segment = *taken;
    if (is_single_) segment.end = map_->file_bytes();
    bool got_bytes = false;
    const Attempt outcome = fetch(segment, got_bytes);
    map_->give_back(segment);
    if (stop_ || transfer_.is_cancelled() || outcome.kind == Attempt::Kind::done) {
      attempt = 0;
      continue;
    }
    if (outcome.kind == Attempt::Kind::restart) return restart_with(outcome.error);
    if (got_bytes) attempt = 0;
    ++attempt;
    if (outcome.kind == Attempt::Kind::give_up || attempt >= options_.max_attempts) {
      return stop_with(outcome.error);
    }
    if (!transfer_.pause(attempt - 1, outcome.wait_seconds, stop)) return;
    if (is_single_) return restart_with(outcome.error);  // what cannot be resumed begins again
  }
}

Attempt RangeFetch::fetch(const ChunkMap::Segment& segment, bool& got_bytes) {
  HttpRequestOptions request = transfer_.request([this] { return stop_.load(); });
  if (!is_single_) {
    request.headers.emplace_back("Range",
                                 fmt::format("bytes={}-{}", segment.begin, segment.end - 1));
    // Where the hash is known it is the identity; servers behind one name may differ in ETags.
    const std::string etag = file_.sha256.empty() ? transfer_.validator.value() : "";
    if (!etag.empty()) request.headers.emplace_back("If-Range", etag);
  }
  std::optional<Attempt> refused;
  std::string error_body;
  bool disk_failed = false;
  uint64_t at = segment.begin, end = segment.end;
  StallWatch stall(options_);
  const Error enough = {ErrorKind::cancelled, ""};
  request.on_headers = [&](int status, const HttpHeaders& headers) -> Status {
    refused = judge(segment, status, headers, end);
    // The body of an error page is read, to show how it begins.
    if (refused && refused->kind == Attempt::Kind::restart) return enough;
    return ok();
  };
  request.on_body = [&](std::string_view piece) -> Status {
    if (refused) {
      error_body += piece.substr(0, kShownBytes - error_body.size());
      return error_body.size() < kShownBytes ? ok() : Status(enough);
    }
    if (at + piece.size() > end) {
      refused = Attempt{
          Attempt::Kind::restart,
          fail(ErrorKind::io, "{}: the server sends more bytes than the file has", file_.label)};
      return enough;
    }
    if (options_.limiter) options_.limiter->spend(piece.size(), request.cancelled);
    if (Status written = transfer_.part.write_at(at, piece); !written) {
      disk_failed = true;
      return written;
    }
    if (!map_->wrote(segment, at, piece.size(), [this](uint64_t chunk) { note_chunk(chunk); })) {
      return enough;
    }
    at += piece.size();
    got_bytes = true;
    if (!stall.is_too_slow(piece.size())) return ok();
    return fail(ErrorKind::io, "{}: slower than {} bytes a second", file_.label,
                options_.min_bytes_per_second);
  };
  auto response = transfer_.client.send(request);
  if (refused) {
    if (refused->error.message.empty()) {
      refused->error = fail(ErrorKind::io, "{}: the file changed at the server", file_.label);
    }
    if (!error_body.empty()) {
      refused->error.message += ", beginning: " + shown_beginning(error_body);
    }
    return *std::move(refused);
  }
  if (!response) {
    Error error = std::move(response).error();
    const bool may_pass = error.kind == ErrorKind::io && !disk_failed;
    return {may_pass ? Attempt::Kind::retry : Attempt::Kind::give_up, std::move(error)};
  }
  if (at == segment.begin) {
    return retry_with(fail(ErrorKind::io, "{}: the server sent an empty answer", file_.label));
  }
  if (at < end) return retry_with(fail(ErrorKind::io, "{}: the server ended early", file_.label));
  return {};
}

// Nothing: the body is what was asked for, up to `end`.
std::optional<Attempt> RangeFetch::judge(const ChunkMap::Segment& segment, int status,
                                         const HttpHeaders& headers, uint64_t& end) {
  if (status != 200 && status != 206) return judge_status(file_.label, status, headers);
  if (find_header(headers, "content-type").starts_with("text/html")) {
    return retry_with(fail(ErrorKind::io,
                           "{}: the server sent a web page instead of the file "
                           "(a login page of the network?)",
                           file_.label));
  }
  if (!transfer_.validator.agrees(headers) && file_.sha256.empty()) {
    return Attempt{Attempt::Kind::restart, {}};
  }
  if (status == 200) {
    if (is_single_) return std::nullopt;
    // It does not do ranges, or the file changed (If-Range): from the front, in one piece.
    wants_single_ = true;
    return Attempt{Attempt::Kind::restart, {}};
  }
  const auto range = parse_content_range(find_header(headers, "content-range"));
  if (!range || range->begin != segment.begin || range->end > segment.end) {
    return retry_with(
        fail(ErrorKind::io, "{}: the server sent another part than was asked for", file_.label));
  }
  if (range->total && *range->total != map_->file_bytes()) {
    if (!file_.bytes) return Attempt{Attempt::Kind::restart, {}};
    return Attempt{Attempt::Kind::give_up,
                   fail(ErrorKind::bad_file,
                        "{}: the server's file has {} bytes, the hub lists {}; it may have changed "
                        "just now: pull again",
                        file_.label, *range->total, map_->file_bytes())};
  }
  end = range->end;
  return std::nullopt;
}

void RangeFetch::note_chunk(uint64_t chunk) {
  auto noted = [&] {
    const std::lock_guard lock(mutex_);
    return journal_->add(chunk);
  }();
  if (!noted) stop_with(std::move(noted).error());
}

void RangeFetch::stop_with(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  stop_ = true;
}

void RangeFetch::restart_with(Error cause) {
  const std::lock_guard lock(mutex_);
  if (!error_) {
    error_ = std::move(cause);
    restart_ = true;
  }
  stop_ = true;
}

}  // namespace jiang
