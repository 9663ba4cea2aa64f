#include "model/packed_cache.h"

#include <atomic>
#include <cstring>
#include <filesystem>

#include "base/check.h"
#include "base/checked.h"
#include "base/fast_hash.h"
#include "base/large_pages.h"
#include "base/quantity.h"
#include "model/check_mark.h"

namespace jiang {
namespace {

// A file, in the byte order of the machine that wrote it (another order fails the magic):
//   Header; identity of the source (identity_bytes); n_matrices entries; fast_hash of all this;
//   each matrix at its offset, aligned to 64 bytes.
constexpr uint64_t kMagic = 0x4b4150474e41494a;  // "JIANGPAK"
// Of this file and of the layouts of kernels/packed.h: raise it when either changes.
constexpr uint32_t kVersion = 1;
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kChunk = 4 << 20;  // bytes hashed by one thread at a time
constexpr uint64_t kMostIdentityBytes = 1 << 20;

struct Header {
  uint64_t magic = kMagic;
  uint32_t version = kVersion;
  uint32_t n_matrices = 0;
  uint64_t file_bytes = 0;
  uint64_t content = 0;  // hash of every byte of the source's tensors
  uint64_t identity_bytes = 0;
};

uint64_t round_up(uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof value};
}
std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// Of each matrix, chunk by chunk, so that all threads help, however many they are and however busy
// their cores.
std::vector<uint64_t> parallel_hashes(const std::vector<std::span<const std::byte>>& matrices,
                                      ThreadPool& pool) {
  std::vector<std::span<const std::byte>> chunks;
  for (const auto& bytes : matrices) {
    for (size_t at = 0; at < bytes.size(); at += kChunk)
      chunks.push_back(bytes.subspan(at, std::min<size_t>(kChunk, bytes.size() - at)));
  }
  std::vector<uint64_t> of_chunks(chunks.size());
  pool.for_each(chunks.size(), [&](size_t i, int) { of_chunks[i] = fast_hash(chunks[i]); });
  std::vector<uint64_t> hashes;
  std::span<const uint64_t> left = of_chunks;
  for (const auto& bytes : matrices) {
    const size_t n = (bytes.size() + kChunk - 1) / kChunk;
    hashes.push_back(fast_hash(std::as_bytes(left.first(n)), bytes.size()));
    left = left.subspan(n);
  }
  return hashes;
}

uint64_t parallel_hash(std::span<const std::byte> bytes, ThreadPool& pool) {
  return parallel_hashes({bytes}, pool).front();
}

// Everything but the tensors' bytes.
uint64_t outline_hash(const TensorSource& source) {
  uint64_t hash = fast_hash(bytes_of(to_string(source.config())), kVersion);
  const SourceConventions& c = source.conventions();
  hash = fast_hash(bytes_of(std::string{static_cast<char>(c.rope_interleaved),
                                        static_cast<char>(c.norm_has_one_added),
                                        static_cast<char>(c.conv1d_transposed)}),
                   hash);
  for (const TensorInfo& tensor : source.tensors()) {
    hash = fast_hash(bytes_of(fmt::format("{} {} {}", tensor.name, static_cast<int>(tensor.format),
                                          tensor.shape.to_string())),
                     hash);
  }
  return hash;
}

uint64_t content_hash(const TensorSource& source, ThreadPool& pool) {
  uint64_t hash = outline_hash(source);
  for (const TensorInfo& tensor : source.tensors()) {
    hash = fast_hash(bytes_of(parallel_hash(tensor.bytes, pool)), hash);
    source.forget(tensor.bytes);
  }
  return hash;
}

// Cheap, and different for models that share an architecture: a few bytes of every tensor.
uint64_t sample_hash(const TensorSource& source) {
  constexpr size_t kSamples = 4, kSampleBytes = 64;
  uint64_t hash = outline_hash(source);
  for (const TensorInfo& tensor : source.tensors()) {
    for (size_t i = 0; i < kSamples; ++i) {
      const size_t at = tensor.bytes.size() / kSamples * i;
      hash = fast_hash(tensor.bytes.subspan(at, std::min(kSampleBytes, tensor.bytes.size() - at)),
                       hash);
    }
    source.forget(tensor.bytes);  // the kernel maps up to 2 MiB for a byte
  }
  return hash;
}

Error damaged(const std::string& path, const char* what) {
  return fail(ErrorKind::bad_file, "{}: {}", path, what);
}

}  // namespace

struct PackedWeights::Entry {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t hash = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  uint32_t format = 0;
  uint32_t reserved = 0;
};

struct PackedWeights::Cached {
  GuardedFile file;
  std::vector<Entry> entries;
  LargePageCopy pages;  // after the file that it replaces
};

struct PackedWeights::Writer {
  AtomicFile file;
  std::string identity;  // of the source when packing began
  uint64_t end = 0;
  std::vector<Entry> entries;
};

std::string PackedWeights::path_for(const TensorSource& source, const std::string& folder) {
  return (std::filesystem::path(folder) / fmt::format("{:016x}.v{}", sample_hash(source), kVersion))
      .string();
}

PackedWeights::PackedWeights(const TensorSource& source, std::vector<MatrixShape> shapes,
                             ThreadPool& pool, PackedCacheOptions options)
    : source_(source), shapes_(std::move(shapes)), pool_(pool), options_(std::move(options)) {
  uint64_t bytes = 0;
  for (const MatrixShape& shape : shapes_)
    bytes += PackedMatrix::bytes_of(shape.format, shape.rows, shape.cols);
  if (options_.folder.empty()) {
    kept_ = fail(ErrorKind::invalid_argument, "no folder for packed weights was given");
    return;
  }
  if (bytes < options_.least_bytes) {
    kept_ = fail(ErrorKind::invalid_argument,
                 "{}: its packed weights are {}, and models under {} are packed sooner than a file "
                 "is opened: none are kept",
                 source_.path(), human_bytes(bytes), human_bytes(options_.least_bytes));
    return;
  }
  const std::string path = path_for(source_, options_.folder);
  if (open_cached(path)) return;
  // Absent, of another version or source, cut short, changed: all the same, it is written anew.
  if (const Status begun = begin_writing(path); !begun) give_up_writing(begun.error());
}

PackedWeights::~PackedWeights() = default;

Status PackedWeights::open_cached(const std::string& path) {
  auto cached = std::make_shared<Cached>();
  TRY(cached->file, GuardedFile::open(path));
  const std::span<const std::byte> bytes = cached->file.bytes();
  Header header;
  if (bytes.size() < sizeof header) return damaged(path, "too short for a header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic || header.version != kVersion)
    return damaged(path, "not of this version");
  if (header.file_bytes != bytes.size()) return damaged(path, "cut short");
  if (header.n_matrices != shapes_.size() || header.identity_bytes > kMostIdentityBytes)
    return damaged(path, "of another model");
  const uint64_t table = sizeof header + header.identity_bytes;
  const uint64_t end = table + header.n_matrices * sizeof(Entry);
  uint64_t hash;
  if (end + sizeof hash > bytes.size()) return damaged(path, "too short for its table");
  std::memcpy(&hash, bytes.data() + end, sizeof hash);
  if (hash != fast_hash(bytes.first(end))) return damaged(path, "its header was changed");

  cached->entries.resize(shapes_.size());
  std::memcpy(cached->entries.data(), bytes.data() + table, end - table);
  std::vector<std::pair<size_t, uint64_t>> chunks;
  for (size_t i = 0; i < shapes_.size(); ++i) {
    const Entry& entry = cached->entries[i];
    const MatrixShape& shape = shapes_[i];
    const bool fits = entry.format == static_cast<uint32_t>(shape.format) &&
                      entry.rows == shape.rows && entry.cols == shape.cols &&
                      entry.bytes == PackedMatrix::bytes_of(shape.format, shape.rows, shape.cols) &&
                      entry.offset % kAlignment == 0 && entry.offset <= bytes.size() &&
                      entry.bytes <= bytes.size() - entry.offset;
    if (!fits) return damaged(path, "of another model");
  }
  // The file the weights came from, untouched since; or another with the same bytes.
  const std::string identity(reinterpret_cast<const char*>(bytes.data() + sizeof header),
                             header.identity_bytes);
  const std::string now = source_.identity();
  if ((now.empty() || now != identity) && header.content != content_hash(source_, pool_))
    return damaged(path, "of other weights");
  const CheckMark mark(path, cached->file, options_.settled_seconds);
  if (!mark.is_there()) {
    if (!has_right_hashes(*cached)) return damaged(path, "its weights were changed");
    if (!cached->file.still_whole()) return damaged(path, "cut short while it was read");
    mark.write();
  }
  cached->pages.start(bytes);
  cached_ = std::move(cached);
  return ok();
}

bool PackedWeights::has_right_hashes(const Cached& cached) const {
  std::vector<std::span<const std::byte>> matrices;
  for (const Entry& entry : cached.entries)
    matrices.push_back(cached.file.bytes().subspan(entry.offset, entry.bytes));
  const std::vector<uint64_t> hashes = parallel_hashes(matrices, pool_);
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (hashes[i] != cached.entries[i].hash) return false;
  }
  return true;
}

Status PackedWeights::begin_writing(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error) return fail(ErrorKind::io, "{}: {}", options_.folder, error.message());
  uint64_t end = sizeof(Header) + source_.identity().size() + shapes_.size() * sizeof(Entry) +
                 sizeof(uint64_t);
  std::vector<Entry> entries;
  for (const MatrixShape& shape : shapes_) {
    Entry& entry = entries.emplace_back();
    entry.offset = round_up(end);
    entry.bytes = PackedMatrix::bytes_of(shape.format, shape.rows, shape.cols);
    entry.rows = shape.rows;
    entry.cols = shape.cols;
    entry.format = static_cast<uint32_t>(shape.format);
    end = entry.offset + entry.bytes;
  }
  // A cache must not fill the disk.
  const auto space = std::filesystem::space(options_.folder, error);
  if (!error && space.available < 2 * end) {
    return fail(ErrorKind::io, "{}: {} are free, twice the {} of these weights are wanted",
                options_.folder, human_bytes(space.available), human_bytes(end));
  }
  TRY(AtomicFile file, AtomicFile::create(path));
  writer_ = std::unique_ptr<Writer>(
      new Writer{std::move(file), source_.identity(), end, std::move(entries)});
  return ok();
}

void PackedWeights::give_up_writing(const Error& error) {
  writer_.reset();
  kept_ = error;
  if (options_.note)
    options_.note(fmt::format("packed weights are kept in memory only: {}", error.message));
}

PackedMatrix PackedWeights::take(const WeightMatrix& weights) {
  const MatrixShape shape{weights.format, weights.rows, weights.cols};
  JIANG_CHECK(next_ < shapes_.size() && shapes_[next_] == shape,
              "matrices are taken as they were announced");
  const size_t index = next_++;
  if (cached_) {
    const Entry& entry = cached_->entries[index];
    return PackedMatrix::over(weights.format, weights.rows, weights.cols,
                              cached_->file.bytes().data() + entry.offset, cached_);
  }
  PackedMatrix packed = PackedMatrix::pack(weights, pool_);
  if (writer_) {
    Entry& entry = writer_->entries[index];
    const std::span<const std::byte> bytes(packed.data(), packed.bytes());
    entry.hash = parallel_hash(bytes, pool_);
    if (const Status written = writer_->file.write_at(entry.offset, bytes); !written)
      give_up_writing(written.error());
  }
  return packed;
}

void PackedWeights::finish() {
  JIANG_CHECK(next_ == shapes_.size(), "all matrices were taken");
  if (!writer_) return;
  const std::string identity = writer_->identity;
  Header header;
  header.n_matrices = static_cast<uint32_t>(shapes_.size());
  header.file_bytes = writer_->end;
  header.content = content_hash(source_, pool_);
  header.identity_bytes = identity.size();
  std::vector<std::byte> head;
  const auto append = [&](std::span<const std::byte> bytes) {
    head.insert(head.end(), bytes.begin(), bytes.end());
  };
  append(bytes_of(header));
  append(bytes_of(identity));
  for (const Entry& entry : writer_->entries) append(bytes_of(entry));
  append(bytes_of(fast_hash(head)));
  Status status = writer_->file.write_at(0, head);
  if (status && (!source_.still_whole() || source_.identity() != identity))
    status = fail(ErrorKind::io, "{}: the file changed while it was packed", source_.path());
  if (status) status = writer_->file.commit();
  if (!status) return give_up_writing(status.error());
  writer_.reset();
}

}  // namespace jiang
