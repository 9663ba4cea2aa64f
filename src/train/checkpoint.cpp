#include "train/checkpoint.h"

#include <cstring>

#include "base/file.h"
#include "base/json_value.h"
#include "train/objective.h"

namespace jiang {
namespace {

constexpr char kMagic[8] = {'J', 'I', 'A', 'N', 'G', 'T', 'R', 'N'};
constexpr uint32_t kVersion = 1;
constexpr size_t kMostHeader = size_t{64} << 20;

struct Front {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint64_t file_bytes;
};
static_assert(sizeof(Front) == 24, "");

std::string header_of(const CheckpointState& state, const ParameterSet& parameters) {
  Json names = Json::array();
  for (const auto& p : parameters.all()) names.push_back({p->name, p->rows, p->cols});
  std::string text = to_string(Json{{"fingerprint", state.fingerprint},
                                    {"step", state.step},
                                    {"seconds", state.seconds},
                                    {"tokens", state.tokens},
                                    {"parameters", names}});
  while (text.size() % 8 != 0) text += ' ';
  return text;
}

// The three matrices of a parameter that a checkpoint holds.
std::span<std::byte> bytes_of(const Tensor& tensor, size_t n) {
  return {reinterpret_cast<std::byte*>(tensor.view().data), n * sizeof(float)};
}

}  // namespace

Status write_checkpoint(const std::string& path, const CheckpointState& state,
                        const ParameterSet& parameters) {
  const std::string header = header_of(state, parameters);
  Front front{};
  std::memcpy(front.magic, kMagic, sizeof kMagic);
  front.version = kVersion;
  front.header_bytes = static_cast<uint32_t>(header.size());
  front.file_bytes =
      sizeof front + header.size() + parameters.count() * 3 * sizeof(float) + sizeof(uint64_t);
  TRY(AtomicFile file, AtomicFile::create(path));
  uint64_t checksum = 0xcbf29ce484222325ull;
  const auto write = [&](std::span<const std::byte> bytes) {
    checksum = hash_bytes(bytes, checksum);
    return file.write(bytes);
  };
  TRY_STATUS(write(std::as_bytes(std::span(&front, 1))));
  TRY_STATUS(write(std::as_bytes(std::span(header))));
  for (const auto& p : parameters.all()) {
    for (const Tensor* tensor : {&p->value, &p->mean, &p->square})
      TRY_STATUS(write(bytes_of(*tensor, p->size())));
  }
  TRY_STATUS(file.write(std::as_bytes(std::span(&checksum, 1))));
  return file.commit();
}

Result<CheckpointState> read_checkpoint(const std::string& path, ParameterSet& parameters) {
  TRY(const MappedFile file, MappedFile::open(path));
  const std::span<const std::byte> bytes = file.bytes();
  const auto damaged = [&](std::string_view what) {
    return fail(ErrorKind::bad_file, "{}: {}; --restart begins the run anew", path, what);
  };
  Front front{};
  if (bytes.size() < sizeof front + sizeof(uint64_t)) return damaged("too short for a checkpoint");
  std::memcpy(&front, bytes.data(), sizeof front);
  if (std::memcmp(front.magic, kMagic, sizeof kMagic) != 0) return damaged("not a checkpoint");
  if (front.version != kVersion) {
    return damaged(
        fmt::format("version {} of the format, this program reads {}", front.version, kVersion));
  }
  if (front.file_bytes != bytes.size()) {
    return damaged(fmt::format("{} bytes long, it says {}", bytes.size(), front.file_bytes));
  }
  if (front.header_bytes > kMostHeader || front.header_bytes > bytes.size() - sizeof front - 8)
    return damaged("its header is longer than it");
  // The same pieces as they were written, since the checksum goes eight bytes at a time.
  uint64_t checksum = 0xcbf29ce484222325ull;
  const auto header = bytes.subspan(sizeof front, front.header_bytes);
  checksum = hash_bytes(bytes.first(sizeof front), checksum);
  checksum = hash_bytes(header, checksum);
  TRY(const Json json,
      parse_json({reinterpret_cast<const char*>(header.data()), header.size()}, path));
  CheckpointState state;
  const Json* fingerprint = find_member(json, "fingerprint");
  if (!fingerprint || !fingerprint->is_number_unsigned()) return damaged("no fingerprint");
  state.fingerprint = fingerprint->get<uint64_t>();
  TRY(state.step, get_int(json, "step", path));
  TRY(state.seconds, get_number(json, "seconds", path));
  TRY(state.tokens, get_number(json, "tokens", path));
  Json names = Json::array();
  for (const auto& p : parameters.all()) names.push_back({p->name, p->rows, p->cols});
  const Json* written = find_member(json, "parameters");
  if (!written || *written != names) return damaged("it is of a model of another shape");
  size_t at = sizeof front + front.header_bytes;
  if (bytes.size() - at != parameters.count() * 3 * sizeof(float) + sizeof checksum)
    return damaged("its length does not fit its parameters");
  const size_t first = at;
  for (const auto& p : parameters.all()) {
    for (int i = 0; i < 3; ++i) {
      checksum = hash_bytes(bytes.subspan(at, p->size() * sizeof(float)), checksum);
      at += p->size() * sizeof(float);
    }
  }
  uint64_t stored;
  std::memcpy(&stored, bytes.data() + at, sizeof stored);
  if (stored != checksum) return damaged("its checksum does not fit");
  at = first;
  for (const auto& p : parameters.all()) {
    for (const Tensor* tensor : {&p->value, &p->mean, &p->square}) {
      const auto to = bytes_of(*tensor, p->size());
      std::memcpy(to.data(), bytes.data() + at, to.size());
      at += to.size();
    }
  }
  return state;
}

}  // namespace jiang
