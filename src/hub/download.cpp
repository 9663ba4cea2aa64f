#include "hub/download.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "base/sha256.h"
#include "hub/range_fetch.h"
#include "hub/transfer.h"

namespace jiang {
namespace {

std::string key_of(const DownloadFile& file) {
  if (!file.sha256.empty()) return "sha256-" + file.sha256;
  if (!file.git_id.empty()) return "git-" + sha256_hex(file.git_id);
  return "url-" + sha256_hex(file.url);
}

class Download {
 public:
  Download(HttpClient& client, const std::string& folder, const DownloadFile& file,
           const DownloadOptions& options)
      : folder_(folder),
        file_(file),
        options_(options),
        part_(folder + "/" + key_of(file) + ".part"),
        transfer_{client, file, options, part_, part_.path() + ".journal"} {}

  Result<Blob> run() {
    TRY_STATUS(check_url());
    // Another process may take away what we wait for, so look again after the lock.
    TRY(std::optional<Blob> there, find_blob());
    if (there) return *std::move(there);
    TRY_STATUS(part_.lock([this] { return wait_for_lock(); }));
    TRY(there, find_blob());
    if (there) {
      part_.remove();
      remove_journal();
      return *std::move(there);
    }
    for (int round = 0;; ++round) {
      TRY(const std::string sha256, fetch_and_hash());
      auto verified = verify(sha256);
      if (verified) {
        TRY_STATUS(part_.publish(folder_, blob_path(folder_, sha256)));
        remove_journal();
        return Blob{sha256, *transfer_.bytes, *verified, false};
      }
      // Damaged on the way or at the server: never kept, never resumed. One more try tells which.
      TRY_STATUS(discard());
      if (round > 0) return std::move(verified).error();
    }
  }

 private:
  Status check_url() const {
    if (file_.url.rfind("https://", 0) == 0 ||
        (options_.allow_plain_http && file_.url.rfind("http://", 0) == 0)) {
      return ok();
    }
    return fail(ErrorKind::invalid_argument, "{}: models are fetched over https only", file_.url);
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

  Status wait_for_lock() {
    if (transfer_.is_cancelled()) return Transfer::cancelled_error();
    transfer_.report(DownloadPhase::waiting, 0);
    std::this_thread::sleep_for(std::chrono::duration<double>(kDownloadTick));
    return ok();
  }

  Result<std::string> fetch_and_hash() {
    transfer_.bytes = file_.bytes;
    is_single_ = false;
    if (!transfer_.bytes) TRY_STATUS(probe());
    if (transfer_.bytes && *transfer_.bytes == 0) {
      return fail(ErrorKind::bad_file, "{} is listed as empty, which a model's file never is",
                  file_.label);
    }
    if (!transfer_.bytes) return fetch_without_size();
    for (int round = 0;; ++round) {
      RangeFetch fetch(transfer_, is_single_);
      map_ = fetch.map();
      auto hashed = fetch.run();
      if (hashed || !fetch.wants_restart() || round >= options_.max_attempts) return hashed;
      is_single_ = is_single_ || fetch.wants_single();
      TRY_STATUS(discard());
    }
  }

  // Size and validator of a file that nobody listed.
  Status probe() {
    for (int attempt = 0;; ++attempt) {
      HttpRequestOptions request = transfer_.request();
      request.headers.emplace_back("Range", "bytes=0-0");
      int status = 0;
      HttpHeaders headers;
      request.on_headers = [&](int seen, const HttpHeaders& all) {
        status = seen;
        headers = all;
        return ok();
      };
      bool enough = false;
      request.on_body = [&](std::string_view) -> Status {
        enough = true;  // of a 200 only the headers are wanted
        return Error{ErrorKind::cancelled, ""};
      };
      auto response = transfer_.client.send(request);
      if (response || enough) {
        if (status == 206 || status == 200 || status == 416) {
          note_probe(status, headers);
          return ok();
        }
        Attempt judged = judge_status(file_.label, status, headers);
        if (judged.kind == Attempt::Kind::give_up || attempt >= options_.max_attempts) {
          return std::move(judged.error);
        }
        TRY_STATUS(transfer_.pause(attempt, judged.wait_seconds));
        continue;
      }
      if (response.error().kind != ErrorKind::io || attempt >= options_.max_attempts) {
        return std::move(response).error();
      }
      TRY_STATUS(transfer_.pause(attempt, 0));
    }
  }

  void note_probe(int status, const HttpHeaders& headers) {
    is_single_ = status != 206;
    if (status == 206) {
      const auto range = parse_content_range(find_header(headers, "content-range"));
      if (range && range->total) transfer_.bytes = range->total;
      transfer_.validator.agrees(headers);
    } else if (const std::string length = find_header(headers, "content-length");
               status == 200 && !length.empty()) {
      uint64_t bytes = 0;
      const char* last = length.data() + length.size();
      const auto parsed = std::from_chars(length.data(), last, bytes);
      if (parsed.ec == std::errc() && parsed.ptr == last) transfer_.bytes = bytes;
    }
  }

  Result<std::string> fetch_without_size() {
    for (int attempt = 0;; ++attempt) {
      TRY_STATUS(part_.empty());
      HttpRequestOptions request = transfer_.request();
      Sha256 digest;
      uint64_t at = 0;
      int status = 0;
      bool disk_failed = false;
      HttpHeaders headers;
      request.on_headers = [&](int seen, const HttpHeaders& all) {
        status = seen;
        headers = all;
        return ok();
      };
      request.on_body = [&](std::string_view piece) -> Status {
        if (status != 200) return ok();
        if (options_.limiter) options_.limiter->spend(piece.size(), request.cancelled);
        if (Status written = part_.write_at(at, piece); !written) {
          disk_failed = true;
          return written;
        }
        digest.update(piece);
        at += piece.size();
        transfer_.report(DownloadPhase::fetching, at);
        return ok();
      };
      auto response = transfer_.client.send(request);
      Attempt judged;
      if (!response) {
        judged.error = std::move(response).error();
        judged.kind = judged.error.kind == ErrorKind::io && !disk_failed ? Attempt::Kind::retry
                                                                         : Attempt::Kind::give_up;
      } else if (status != 200) {
        judged = judge_status(file_.label, status, headers);
      } else if (at == 0) {
        judged.kind = Attempt::Kind::retry;
        judged.error = fail(ErrorKind::io, "{}: the server sent an empty answer", file_.label);
      } else {
        TRY_STATUS(part_.flush());
        transfer_.bytes = at;
        return digest.hex();
      }
      if (judged.kind == Attempt::Kind::give_up || attempt + 1 >= options_.max_attempts) {
        return std::move(judged.error);
      }
      TRY_STATUS(transfer_.pause(attempt, judged.wait_seconds));
    }
  }

  Result<Verified> verify(const std::string& sha256) const {
    if (!file_.sha256.empty()) {
      if (sha256 == file_.sha256) return Verified::sha256;
      return fail(ErrorKind::bad_file,
                  "{}: what came has the SHA-256 {}, the hub lists {}; it was thrown away twice: "
                  "the server or something on the way changes it",
                  file_.label, sha256, file_.sha256);
    }
    if (!file_.git_id.empty()) {
      TRY(const std::string id, git_blob_id_of_file(part_.path()));
      if (id == file_.git_id) return Verified::git_id;
      return fail(ErrorKind::bad_file,
                  "{}: what came has git's id {}, the hub lists {}; it was "
                  "thrown away twice",
                  file_.label, id, file_.git_id);
    }
    return Verified::size;
  }

  // All that is there is worthless. The lock stays.
  Status discard() {
    remove_journal();
    TRY_STATUS(part_.empty());
    if (map_) map_->clear();
    return ok();
  }

  void remove_journal() const { ::unlink(transfer_.journal_path.c_str()); }

  const std::string folder_;
  const DownloadFile& file_;
  const DownloadOptions& options_;
  PartFile part_;
  Transfer transfer_;
  bool is_single_ = false;         // one connection, from the front, no ranges
  std::shared_ptr<ChunkMap> map_;  // of the fetch under way or of the last one
};

}  // namespace

void RateLimiter::spend(uint64_t bytes, const std::function<bool()>& stop) {
  double wait = 0;
  {
    const std::lock_guard lock(mutex_);
    const double now = steady_seconds();
    free_at_ = std::max(free_at_, now) + static_cast<double>(bytes) / static_cast<double>(rate_);
    wait = free_at_ - now;
  }
  const double until = steady_seconds() + wait;
  while (steady_seconds() < until && !(stop && stop())) {
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::clamp(until - steady_seconds(), 0.0, kDownloadTick)));
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
