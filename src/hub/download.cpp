#include "hub/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include "base/http_client.h"
#include "base/quantity.h"
#include "base/sha256.h"
#include "base/threads.h"
#include "hub/download_journal.h"

namespace jiang {
namespace {

using Clock = std::chrono::steady_clock;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr double kTick = 0.1;  // seconds between progress reports
constexpr size_t kShownBytes = 200;

double now_seconds() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

std::optional<std::string> find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kShownBytes)) {
    out += static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f ? c : ' ';
  }
  return out;
}

// "bytes 0-99/1000"
struct ContentRange {
  uint64_t begin = 0, end = 0;
  std::optional<uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (text.substr(0, 6) != "bytes ") return std::nullopt;
  const char *at = text.data() + 6, *last = text.data() + text.size();
  ContentRange range;
  uint64_t inclusive_end = 0;
  auto result = std::from_chars(at, last, range.begin);
  if (result.ec != std::errc() || result.ptr == last || *result.ptr != '-') return std::nullopt;
  result = std::from_chars(result.ptr + 1, last, inclusive_end);
  if (result.ec != std::errc() || result.ptr == last || *result.ptr != '/') return std::nullopt;
  range.end = inclusive_end + 1;
  uint64_t total = 0;
  const auto total_result = std::from_chars(result.ptr + 1, last, total);
  if (total_result.ec == std::errc() && total_result.ptr == last) range.total = total;
  if (range.end <= range.begin) return std::nullopt;
  return range;
}

// A validator that may stand in If-Range: not a weak one (RFC 9110, 13.1.5).
std::string strong_validator(const Headers& headers) {
  const std::string etag = find_header(headers, "etag").value_or("");
  return etag.rfind("W/", 0) == 0 ? "" : etag;
}

// What one attempt at a range ended with.
struct Attempt {
  enum class Kind { done, retry, restart, give_up } kind = Kind::done;
  Error error = {};
  double wait_seconds = 0;  // as the server asked
};

class Download {
 public:
  Download(HttpClient& client, const std::string& folder, const DownloadFile& file,
           const DownloadOptions& options)
      : client_(client), folder_(folder), file_(file), options_(options) {}
  ~Download() { close_part(); }

  Result<Blob> run() {
    TRY_STATUS(check_url());
    // Another process may take away what we wait for, so look again after the lock.
    TRY(std::optional<Blob> there, find_blob());
    if (there) return *std::move(there);
    part_ = folder_ + "/" + key() + ".part";
    journal_path_ = part_ + ".journal";
    TRY_STATUS(lock_part());
    TRY(there, find_blob());
    if (there) {
      ::unlink(part_.c_str());
      ::unlink(journal_path_.c_str());
      return *std::move(there);
    }
    for (int round = 0;; ++round) {
      TRY(const std::string sha256, fetch_and_hash());
      auto verified = verify(sha256);
      if (verified) return finish(sha256, *verified);
      // Damaged on the way or at the server: never kept, never resumed. One more try tells which.
      TRY_STATUS(discard());
      if (round > 0) return std::move(verified).error();
    }
  }

 private:
  // ---- names, locks

  Status check_url() const {
    if (file_.url.rfind("https://", 0) == 0 ||
        (options_.allow_plain_http && file_.url.rfind("http://", 0) == 0)) {
      return ok();
    }
    return fail(ErrorKind::invalid_argument, "{}: models are fetched over https only", file_.url);
  }

  std::string key() const {
    if (!file_.sha256.empty()) return "sha256-" + file_.sha256;
    if (!file_.git_id.empty()) return "git-" + sha256_hex(file_.git_id);
    return "url-" + sha256_hex(file_.url);
  }

  Result<std::optional<Blob>> find_blob() const {
    if (file_.sha256.empty()) return std::optional<Blob>();
    struct stat status = {};
    const std::string path = blob_path(folder_, file_.sha256);
    if (::lstat(path.c_str(), &status) != 0) return std::optional<Blob>();
    if (!S_ISREG(status.st_mode)) {
      return fail(ErrorKind::bad_file, "{}: not a regular file; somebody put it there: remove it",
                  path);
    }
    const auto bytes = static_cast<uint64_t>(status.st_size);
    if (file_.bytes && bytes != *file_.bytes) {
      return fail(ErrorKind::bad_file, "{}: has {} bytes instead of {}; see 'jiang verify'", path,
                  bytes, *file_.bytes);
    }
    return std::optional<Blob>({file_.sha256, bytes, Verified::sha256, true});
  }

  Status lock_part() {
    while (true) {
      descriptor_ = ::open(part_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
      if (descriptor_ < 0) return io_error("cannot open");
      while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return io_error("cannot lock");
        if (is_cancelled()) return cancelled_error();
        struct stat status = {};
        ::fstat(descriptor_, &status);
        report(DownloadPhase::waiting, 0);
        std::this_thread::sleep_for(std::chrono::duration<double>(kTick));
      }
      // The one who held it may have renamed or removed it: then the lock is on something else.
      struct stat ours = {}, named = {};
      if (::fstat(descriptor_, &ours) == 0 && ::lstat(part_.c_str(), &named) == 0 &&
          ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
        if (!S_ISREG(ours.st_mode)) {
          return fail(ErrorKind::bad_file, "{}: not a regular file: remove it", part_);
        }
        return ok();
      }
      close_part();
      TRY(const std::optional<Blob> there, find_blob());
      if (there) {
        // Made by the other one. Take a lock of our own on a fresh .part, so that run() can go on.
        continue;
      }
    }
  }

  void close_part() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

  Error io_error(std::string_view doing) const {
    const int reason = errno;
    if (reason == ENOSPC || reason == EDQUOT) {
      return fail(ErrorKind::io,
                  "{}: the disk is full; free some space and pull again: what was fetched is kept",
                  part_);
    }
    return fail(ErrorKind::io, "{}: {}: {}", part_, doing, std::strerror(reason));
  }
  static Error cancelled_error() {
    return Error{ErrorKind::cancelled,
                 "stopped; what was fetched is kept, and the next pull goes on from there"};
  }
  bool is_cancelled() const { return options_.cancelled && options_.cancelled(); }

  void report(DownloadPhase phase, uint64_t done) {
    shown_ = std::max(shown_, done);
    if (options_.on_progress) {
      options_.on_progress({phase, shown_, file_bytes_ ? *file_bytes_ : file_.bytes.value_or(0)});
    }
  }

  // ---- before the first byte

  Result<std::string> fetch_and_hash() {
    file_bytes_ = file_.bytes;
    single_ = false;
    if (!file_bytes_) TRY_STATUS(probe());
    if (file_bytes_ && *file_bytes_ == 0) {
      return fail(ErrorKind::bad_file, "{} is listed as empty, which a model's file never is",
                  file_.label);
    }
    if (!file_bytes_) return fetch_without_size();
    for (int round = 0;; ++round) {
      auto hashed = fetch_ranges();
      if (hashed || !restart_) return hashed;
      if (round >= options_.max_attempts) return std::move(hashed).error();
      restart_ = false;
      TRY_STATUS(discard());
    }
  }

  // Size and validator of a file that nobody listed.
  Status probe() {
    for (int attempt = 0;; ++attempt) {
      HttpRequestOptions request = request_for();
      request.headers.emplace_back("Range", "bytes=0-0");
      int status = 0;
      Headers headers;
      request.on_headers = [&](int seen, const Headers& all) {
        status = seen;
        headers = all;
        return ok();
      };
      bool enough = false;
      request.on_body = [&](std::string_view) -> Status {
        enough = true;  // of a 200 only the headers are wanted
        return Error{ErrorKind::cancelled, ""};
      };
      auto response = client_.send(request);
      if (response || enough) {
        if (status == 206) {
          const auto range =
              parse_content_range(find_header(headers, "content-range").value_or(""));
          if (range && range->total) file_bytes_ = range->total;
          etag_ = strong_validator(headers);
          return ok();
        }
        if (status == 200 || status == 416) {
          single_ = true;
          if (const auto length = find_header(headers, "content-length"); status == 200 && length) {
            uint64_t bytes = 0;
            const char* last = length->data() + length->size();
            if (std::from_chars(length->data(), last, bytes).ptr == last) file_bytes_ = bytes;
          }
          return ok();
        }
        const Attempt judged = judge_status(status, headers, "");
        if (judged.kind == Attempt::Kind::give_up || attempt >= options_.max_attempts) {
          return judged.error;
        }
        TRY_STATUS(pause(attempt, judged.wait_seconds));
        continue;
      }
      if (response.error().kind != ErrorKind::io || attempt >= options_.max_attempts) {
        return std::move(response).error();
      }
      TRY_STATUS(pause(attempt, 0));
    }
  }

  Status check_space(uint64_t bytes_there) const {
    struct statvfs space = {};
    if (::statvfs(folder_.c_str(), &space) != 0) return ok();
    const uint64_t available = uint64_t{space.f_bavail} * space.f_frsize;
    const uint64_t wanted = *file_bytes_ - std::min(*file_bytes_, bytes_there);
    if (wanted <= available) return ok();
    return fail(ErrorKind::io, "{} needs {} more in {}, and {} are free there", file_.label,
                human_bytes(wanted), folder_, human_bytes(available));
  }

  // ---- several ranges at once

  Result<std::string> fetch_ranges() {
    const uint64_t bytes = *file_bytes_;
    const bool is_resumable = !file_.sha256.empty() || !file_.git_id.empty() || !etag_.empty();
    std::string identity = !file_.sha256.empty()   ? "sha256:" + file_.sha256
                           : !file_.git_id.empty() ? "git:" + file_.git_id
                                                   : "etag:" + sha256_hex(etag_);
    const JournalHead head = {bytes, options_.chunk_bytes, std::move(identity)};
    map_ = std::make_shared<ChunkMap>(bytes, options_.chunk_bytes);
    struct stat status = {};
    if (::fstat(descriptor_, &status) != 0) return io_error("cannot look at");
    std::vector<uint64_t> chunks;
    if (is_resumable && !single_ && static_cast<uint64_t>(status.st_size) == bytes) {
      chunks = read_journal(journal_path_, head);
    }
    for (const uint64_t chunk : chunks) map_->mark_done(chunk);
    TRY_STATUS(check_space(static_cast<uint64_t>(status.st_blocks) * 512));
    if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) return io_error("cannot size");
    // Space that is promised now cannot be missing later. Some file systems cannot promise.
    if (::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) != 0 && errno != EOPNOTSUPP &&
        errno != EINTR && errno != ENOSYS && errno != EINVAL) {
      return io_error("cannot reserve space");
    }
    TRY(JournalWriter journal, JournalWriter::create(journal_path_, head, chunks));
    journal_ = &journal;
    if (options_.on_start) options_.on_start(part_, map_);

    stop_ = false;
    error_.reset();
    const int n_workers = single_ ? 1 : std::max(options_.connections, 1);
    Threads workers;
    Status started = ok();
    n_working_ = 0;
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
  Result<std::string> watch() {
    Sha256 digest;
    uint64_t hashed = 0, synced_bytes = map_->bytes_done();
    std::vector<std::byte> piece(size_t{1} << 20);
    while (true) {
      const bool nobody_works = n_working_ == 0;
      if (is_cancelled()) {
        TRY_STATUS(sync());
        return cancelled_error();
      }
      {
        const std::lock_guard lock(mutex_);
        if (error_) return *error_;
      }
      if (restart_) {
        const std::lock_guard lock(mutex_);
        return restart_cause_;
      }
      const uint64_t prefix = map_->prefix();
      const double until = now_seconds() + kTick;
      while (hashed < prefix && now_seconds() < until) {
        const size_t count = std::min<uint64_t>(piece.size(), prefix - hashed);
        const ssize_t got = ::pread(descriptor_, piece.data(), count, static_cast<off_t>(hashed));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return io_error("cannot read back");
        digest.update(std::span(piece).first(static_cast<size_t>(got)));
        hashed += static_cast<uint64_t>(got);
      }
      const uint64_t done = map_->bytes_done();
      if (done - synced_bytes >= options_.sync_bytes) {
        TRY_STATUS(sync());
        synced_bytes = done;
      }
      const bool is_whole = map_->is_whole();
      if (is_whole && hashed == map_->file_bytes()) {
        report(DownloadPhase::verifying, done);
        if (::fsync(descriptor_) != 0) return io_error("cannot flush");
        return digest.hex();
      }
      if (nobody_works && !is_whole) {
        return fail(ErrorKind::io, "{}: the connections ended early", file_.label);
      }
      report(is_whole ? DownloadPhase::verifying : DownloadPhase::fetching, done);
      if (hashed == prefix && !is_whole) map_->wait_for_change(kTick);
    }
  }

  Status sync() {
    if (::fdatasync(descriptor_) != 0) return io_error("cannot flush");
    const std::lock_guard lock(mutex_);
    return journal_->synced();
  }

  void work(int n_workers) {
    int attempt = 0;
    while (!stop_ && !is_cancelled()) {
      const auto segment =
          single_ ? map_->take(1, ~uint64_t{0}) : map_->take(n_workers, options_.max_range_bytes);
      if (!segment) {
        if (map_->is_whole()) return;
        map_->wait_for_change(kTick);  // another connection may fail and give back
        continue;
      }
      ChunkMap::Segment whole = *segment;
      if (single_) whole.end = map_->file_bytes();
      bool got_bytes = false;
      const Attempt outcome = fetch(whole, got_bytes);
      map_->give_back(whole);
      if (stop_ || is_cancelled() || outcome.kind == Attempt::Kind::done) {
        attempt = 0;
        continue;
      }
      if (outcome.kind == Attempt::Kind::restart) return restart_with(outcome.error);
      if (got_bytes) attempt = 0;
      ++attempt;
      if (outcome.kind == Attempt::Kind::give_up || attempt >= options_.max_attempts) {
        return stop_with(outcome.error);
      }
      if (!pause(attempt - 1, outcome.wait_seconds)) return;
      if (single_) return restart_with(outcome.error);  // what cannot be resumed begins again
    }
  }

  void stop_with(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    stop_ = true;
  }

  void restart_with(Error cause) {
    const std::lock_guard lock(mutex_);
    restart_cause_ = std::move(cause);
    restart_ = stop_ = true;
  }

  Status pause(int attempt, double at_least) const {
    static thread_local std::minstd_rand random(std::random_device{}());
    const double jitter = 0.5 + static_cast<double>(random() % 1000) / 1000;
    const double longest =
        std::max(options_.backoff_seconds, std::min(30.0, options_.backoff_seconds * 60));
    double wait =
        std::min(longest, options_.backoff_seconds * (1 << std::min(attempt, 10))) * jitter;
    wait = std::max(wait, std::min(at_least, 120.0));
    const double until = now_seconds() + wait;
    while (now_seconds() < until) {
      if (stop_ || is_cancelled()) return cancelled_error();
      std::this_thread::sleep_for(
          std::chrono::duration<double>(std::clamp(until - now_seconds(), 0.0, kTick)));
    }
    return ok();
  }

  HttpRequestOptions request_for() const {
    HttpRequestOptions request;
    request.url = file_.url;
    request.headers = file_.headers;
    request.headers.emplace_back("Accept-Encoding", "identity");
    request.connect_seconds = options_.connect_seconds;
    request.stall_seconds = options_.stall_seconds;
    request.max_bytes = ~uint64_t{0};
    request.cancelled = [this] { return stop_.load() || is_cancelled(); };
    return request;
  }

  // What a status that is neither 200 nor 206 means.
  Attempt judge_status(int status, const Headers& headers, const std::string& body) const {
    Attempt attempt;
    attempt.kind = Attempt::Kind::retry;
    double seconds = 0;
    if (const auto after = find_header(headers, "retry-after")) seconds = std::atof(after->c_str());
    attempt.wait_seconds = std::max(seconds, 0.0);
    attempt.error = fail(ErrorKind::io, "{}: the server answered {}{}{}", file_.label, status,
                         body.empty() ? "" : ": ", printable(body));
    const bool may_pass = status == 408 || status == 425 || status == 429 || status >= 500 ||
                          status == 403 || status == 416;  // 403: a signed URL that ran out
    if (!may_pass) attempt.kind = Attempt::Kind::give_up;
    if (status == 404 || status == 410) attempt.error.kind = ErrorKind::not_found;
    if (status == 401 || find_header(headers, "x-error-code").value_or("") == "GatedRepo") {
      attempt.kind = Attempt::Kind::give_up;
      attempt.error = fail(ErrorKind::unsupported,
                           "{}: the server wants a token that may read it (HF_TOKEN, "
                           "MODELSCOPE_API_TOKEN), or its conditions accepted on its page",
                           file_.label);
    }
    return attempt;
  }

  Attempt fetch(const ChunkMap::Segment& segment, bool& got_bytes) {
    HttpRequestOptions request = request_for();
    if (!single_) {
      request.headers.emplace_back("Range",
                                   fmt::format("bytes={}-{}", segment.begin, segment.end - 1));
      // Where the hash is known it is the identity; servers behind one name may differ in ETags.
      if (file_.sha256.empty() && !etag_.empty()) request.headers.emplace_back("If-Range", etag_);
    }
    std::optional<Attempt> refused;
    int status = 0;
    Headers headers;
    std::string error_body;
    uint64_t at = segment.begin, end = segment.end;
    double window_start = now_seconds();
    uint64_t window_bytes = 0;
    request.on_headers = [&](int seen, const Headers& all) -> Status {
      status = seen;
      headers = all;
      refused = judge_headers(segment, status, headers, end);
      // The body of an error page is read, to show how it begins.
      if (refused && refused->kind != Attempt::Kind::retry &&
          refused->kind != Attempt::Kind::give_up) {
        return Error{ErrorKind::cancelled, ""};
      }
      return ok();
    };
    request.on_body = [&](std::string_view piece) -> Status {
      if (refused || (status != 200 && status != 206)) {
        error_body += piece.substr(0, kShownBytes - std::min(kShownBytes, error_body.size()));
        return error_body.size() < kShownBytes ? ok() : Status(Error{ErrorKind::cancelled, ""});
      }
      if (at + piece.size() > end) {
        refused = Attempt{
            Attempt::Kind::restart,
            fail(ErrorKind::io, "{}: the server sends more bytes than the file has", file_.label)};
        return Error{ErrorKind::cancelled, ""};
      }
      if (options_.limiter) options_.limiter->spend(piece.size(), request.cancelled);
      TRY_STATUS(write_at(at, piece));
      if (!map_->wrote(segment, at, piece.size(), [this](uint64_t chunk) { note_chunk(chunk); })) {
        return Error{ErrorKind::cancelled, ""};
      }
      at += piece.size();
      got_bytes = true;
      window_bytes += piece.size();
      const double seconds = now_seconds() - window_start;
      if (options_.stall_seconds > 0 && seconds > options_.stall_seconds && !options_.limiter) {
        if (static_cast<double>(window_bytes) <
            static_cast<double>(options_.min_bytes_per_second) * seconds) {
          return fail(ErrorKind::io, "{}: slower than {} bytes a second", file_.label,
                      options_.min_bytes_per_second);
        }
        window_start = now_seconds();
        window_bytes = 0;
      }
      return ok();
    };
    auto response = client_.send(request);
    if (refused) {
      if (refused->kind == Attempt::Kind::restart && refused->error.message.empty()) {
        refused->error = fail(ErrorKind::io, "{}: the file changed at the server", file_.label);
      }
      if (!error_body.empty() && refused->error.message.find(": the server") != std::string::npos) {
        refused->error.message += ", beginning: " + printable(error_body);
      }
      return *std::move(refused);
    }
    if (!response) {
      Error error = std::move(response).error();
      const bool is_disk = disk_failed_.exchange(false);
      const bool may_pass = error.kind == ErrorKind::io && !is_disk;
      return {may_pass ? Attempt::Kind::retry : Attempt::Kind::give_up, std::move(error)};
    }
    if (at == segment.begin) {
      return {Attempt::Kind::retry,
              fail(ErrorKind::io, "{}: the server sent an empty answer", file_.label)};
    }
    if (at < end) {
      return {Attempt::Kind::retry, fail(ErrorKind::io, "{}: the server ended early", file_.label)};
    }
    return {};
  }

  // Nothing: the body is what was asked for, up to `end`.
  std::optional<Attempt> judge_headers(const ChunkMap::Segment& segment, int status,
                                       const Headers& headers, uint64_t& end) {
    if (status != 200 && status != 206) return judge_status(status, headers, "");
    const std::string type = find_header(headers, "content-type").value_or("");
    if (type.rfind("text/html", 0) == 0) {
      return Attempt{Attempt::Kind::retry,
                     fail(ErrorKind::io,
                          "{}: the server sent a web page instead of the file "
                          "(a login page of the network?)",
                          file_.label)};
    }
    const std::string etag = strong_validator(headers);
    if (file_.sha256.empty() && !etag_.empty() && !etag.empty() && etag != etag_) {
      etag_ = etag;
      return Attempt{Attempt::Kind::restart, {}};
    }
    if (etag_.empty()) {
      const std::lock_guard lock(mutex_);
      if (etag_.empty()) etag_ = etag;
    }
    if (status == 200) {
      if (single_) return std::nullopt;
      // It does not do ranges, or the file changed (If-Range): from the front, in one piece.
      single_next_ = true;
      return Attempt{Attempt::Kind::restart, {}};
    }
    const auto range = parse_content_range(find_header(headers, "content-range").value_or(""));
    if (!range || range->begin != segment.begin || range->end > segment.end) {
      return Attempt{
          Attempt::Kind::retry,
          fail(ErrorKind::io, "{}: the server sent another part than was asked for", file_.label)};
    }
    if (range->total && *range->total != map_->file_bytes()) {
      if (file_.bytes) {
        return Attempt{Attempt::Kind::give_up,
                       fail(ErrorKind::bad_file,
                            "{}: the server's file has {} bytes, the hub lists "
                            "{}; it may have changed just now: pull again",
                            file_.label, *range->total, map_->file_bytes())};
      }
      return Attempt{Attempt::Kind::restart, {}};
    }
    end = range->end;
    return std::nullopt;
  }

  Status write_at(uint64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count =
          ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        disk_failed_ = true;
        return io_error("cannot write");
      }
      bytes.remove_prefix(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return ok();
  }

  void note_chunk(uint64_t chunk) {
    auto noted = [&] {
      const std::lock_guard lock(mutex_);
      return journal_->add(chunk);
    }();
    if (!noted) stop_with(std::move(noted).error());
  }

  // ---- a server that tells no size

  Result<std::string> fetch_without_size() {
    for (int attempt = 0;; ++attempt) {
      if (::ftruncate(descriptor_, 0) != 0) return io_error("cannot empty");
      HttpRequestOptions request = request_for();
      Sha256 digest;
      uint64_t at = 0;
      int status = 0;
      Headers headers;
      request.on_headers = [&](int seen, const Headers& all) {
        status = seen;
        headers = all;
        return ok();
      };
      request.on_body = [&](std::string_view piece) -> Status {
        if (status != 200) return ok();
        if (options_.limiter) options_.limiter->spend(piece.size(), request.cancelled);
        TRY_STATUS(write_at(at, piece));
        digest.update(piece);
        at += piece.size();
        report(DownloadPhase::fetching, at);
        return ok();
      };
      auto response = client_.send(request);
      Attempt judged;
      if (response && status == 200 && at > 0) {
        if (::fsync(descriptor_) != 0) return io_error("cannot flush");
        file_bytes_ = at;
        return digest.hex();
      }
      if (response) {
        judged = judge_status(status, headers, "");
        if (status == 200) {
          judged.kind = Attempt::Kind::retry;
          judged.error = fail(ErrorKind::io, "{}: the server sent an empty answer", file_.label);
        }
      } else {
        judged.error = std::move(response).error();
        judged.kind = judged.error.kind == ErrorKind::io && !disk_failed_.exchange(false)
                          ? Attempt::Kind::retry
                          : Attempt::Kind::give_up;
      }
      if (judged.kind == Attempt::Kind::give_up || attempt + 1 >= options_.max_attempts) {
        return judged.error;
      }
      TRY_STATUS(pause(attempt, judged.wait_seconds));
    }
  }

  // ---- after the last byte

  Result<Verified> verify(const std::string& sha256) const {
    if (!file_.sha256.empty()) {
      if (sha256 == file_.sha256) return Verified::sha256;
      return fail(ErrorKind::bad_file,
                  "{}: what came has the SHA-256 {}, the hub lists {}; it was thrown away twice: "
                  "the server or something on the way changes it",
                  file_.label, sha256, file_.sha256);
    }
    if (!file_.git_id.empty()) {
      TRY(const std::string id, git_blob_id_of_file(part_));
      if (id == file_.git_id) return Verified::git_id;
      return fail(ErrorKind::bad_file,
                  "{}: what came has git's id {}, the hub lists {}; it was "
                  "thrown away twice",
                  file_.label, id, file_.git_id);
    }
    return Verified::size;
  }

  Result<Blob> finish(const std::string& sha256, Verified verified) {
    const std::string target = blob_path(folder_, sha256);
    ::fchmod(descriptor_, 0444);
    if (::rename(part_.c_str(), target.c_str()) != 0) return io_error("cannot rename into place");
    const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || (::fsync(folder) != 0 && errno != EINVAL)) {
      if (folder >= 0) ::close(folder);
      return io_error("cannot flush the folder of");
    }
    ::close(folder);
    ::unlink(journal_path_.c_str());
    close_part();
    return Blob{sha256, *file_bytes_, verified, false};
  }

  // All that is there is worthless. The lock stays.
  Status discard() {
    ::unlink(journal_path_.c_str());
    if (::ftruncate(descriptor_, 0) != 0) return io_error("cannot empty");
    single_ = single_next_;
    if (map_) map_->clear();
    return ok();
  }

  HttpClient& client_;
  const std::string folder_;
  const DownloadFile& file_;
  const DownloadOptions& options_;
  std::string part_, journal_path_;
  int descriptor_ = -1;
  std::optional<uint64_t> file_bytes_;
  std::string etag_;
  bool single_ = false;                    // one connection, from the front, no ranges
  std::atomic<bool> single_next_ = false;  // after the restart
  std::shared_ptr<ChunkMap> map_;
  uint64_t shown_ = 0;
  std::atomic<bool> stop_ = false, restart_ = false, disk_failed_ = false;
  std::atomic<int> n_working_ = 0;
  std::mutex mutex_;  // guards error_, restart_cause_, journal_
  Error restart_cause_;
  std::optional<Error> error_;
  JournalWriter* journal_ = nullptr;
};

}  // namespace

void RateLimiter::spend(uint64_t bytes, const std::function<bool()>& stop) {
  double wait = 0;
  {
    const std::lock_guard lock(mutex_);
    const double now = now_seconds();
    free_at_ = std::max(free_at_, now) + static_cast<double>(bytes) / static_cast<double>(rate_);
    wait = free_at_ - now;
  }
  const double until = now_seconds() + wait;
  while (now_seconds() < until && !(stop && stop())) {
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::clamp(until - now_seconds(), 0.0, kTick)));
  }
}

std::string_view verified_name(Verified verified) {
  switch (verified) {
    case Verified::sha256:
      return "sha256";
    case Verified::git_id:
      return "git";
    case Verified::size:
      break;
  }
  return "size";
}

std::string blob_path(const std::string& folder, std::string_view sha256) {
  return fmt::format("{}/sha256-{}", folder, sha256);
}

Result<Blob> download_blob(HttpClient& client, const std::string& folder, const DownloadFile& file,
                           const DownloadOptions& options) {
  return Download(client, folder, file, options).run();
}

}  // namespace jiang
