#include "weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/checked.h"
#include "weights/json_reader.h"

namespace jiang {
namespace {

struct Dtype {
  std::string_view name;
  uint32_t bits;
  std::optional<Format> format;
};

constexpr Dtype kDtypes[] = {
    {"F32", 32, Format::f32},
    {"F16", 16, Format::f16},
    {"BF16", 16, Format::bf16},
    {"F64", 64, {}},
    {"I64", 64, {}},
    {"I32", 32, {}},
    {"I16", 16, {}},
    {"I8", 8, {}},
    {"U64", 64, {}},
    {"U32", 32, {}},
    {"U16", 16, {}},
    {"U8", 8, {}},
    {"BOOL", 8, {}},
    {"F8_E4M3", 8, {}},
    {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
    {"F4", 4, {}},
    {"C64", 64, {}},
};

constexpr size_t kMaxRank = 16;

// Reads {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__":
// {...}}.
class HeaderReader final : public JsonReader {
 public:
  explicit HeaderReader(size_t max_tensors) : max_tensors_(max_tensors) {}

  struct Entry {
    std::string name;
    std::string dtype;
    std::vector<uint64_t> shape;
    std::vector<uint64_t> offsets;  // begin, end
  };
  std::vector<Entry> entries;

  bool start_object(std::size_t) override {
    if (depth_ == 2 || in_list_) return refuse(fmt::format("{}: nested too deep", here()));
    if (++depth_ == 2 && !in_metadata_) seen_ = 0;
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1) {
      if (!in_metadata_ && seen_ != (kDtype | kShape | kOffsets)) {
        return refuse(
            fmt::format("tensor {} needs \"dtype\", \"shape\" and \"data_offsets\"", here()));
      }
      in_metadata_ = false;
    }
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) return tensor(name);
    if (in_metadata_) {
      return metadata_keys_.insert(name).second ||
             refuse(fmt::format("key {} stands twice", printable(name)));
    }
    field_ = name == "dtype"          ? kDtype
             : name == "shape"        ? kShape
             : name == "data_offsets" ? kOffsets
                                      : kNone;
    if (!field_)
      return refuse(fmt::format("tensor {} has the unknown field {}", here(), printable(name)));
    if (seen_ & field_) return refuse(fmt::format("tensor {} has {} twice", here(), name));
    seen_ |= field_;
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || field_ != kDtype) return unexpected("a string");
    entries.back().dtype = value;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || in_list_ || field_ == kDtype) return unexpected("a list");
    return in_list_ = true;
  }
  bool end_array() override {
    in_list_ = false;
    if (field_ == kOffsets && entries.back().offsets.size() != 2) {
      return refuse(fmt::format("tensor {}: \"data_offsets\" must be two numbers", here()));
    }
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!in_list_) return unexpected("a number");
    auto& list = field_ == kShape ? entries.back().shape : entries.back().offsets;
    if (list.size() == (field_ == kShape ? kMaxRank : 2))
      return refuse(fmt::format("tensor {}: too many numbers", here()));
    list.push_back(value);
    return true;
  }

 private:
  enum : unsigned { kNone = 0, kDtype = 1, kShape = 2, kOffsets = 4 };

  bool tensor(const std::string& name) {
    in_metadata_ = name == "__metadata__";
    field_ = 0;
    if (!names_.insert(name).second) return refuse(fmt::format("{} stands twice", printable(name)));
    if (in_metadata_) return true;
    const bool plain =
        std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (name.empty() || name.size() > 1024 || !plain) {
      return refuse(fmt::format("\"{}\" cannot name a tensor", printable(name)));
    }
    if (entries.size() == max_tensors_)
      return refuse(fmt::format("more than {} tensors", max_tensors_));
    entries.push_back({.name = name, .dtype = {}, .shape = {}, .offsets = {}});
    return true;
  }
  bool unexpected(std::string_view what) override {
    return refuse(fmt::format("{}: unexpected {}", here(), what));
  }
  std::string here() const {
    return entries.empty() || in_metadata_ ? "header" : printable(entries.back().name);
  }

  size_t max_tensors_;
  int depth_ = 0;
  bool in_metadata_ = false;
  bool in_list_ = false;
  unsigned field_ = 0;  // the one being read
  unsigned seen_ = 0;   // of this tensor
  std::unordered_set<std::string> names_;
  std::unordered_set<std::string> metadata_keys_;
};

Result<SafetensorsEntry> check_entry(HeaderReader::Entry& entry, std::span<const std::byte> data,
                                     std::string_view where) {
  const auto dtype =
      std::find_if(std::begin(kDtypes), std::end(kDtypes),
                   [&](const Dtype& candidate) { return candidate.name == entry.dtype; });
  if (dtype == std::end(kDtypes)) {
    return fail(ErrorKind::bad_file, "{}: tensor {} has the unknown dtype \"{}\"", where,
                entry.name, printable(entry.dtype));
  }
  std::optional<uint64_t> bits = dtype->bits;
  for (const uint64_t dim : entry.shape) bits = bits ? checked_mul(*bits, dim) : std::nullopt;
  const uint64_t begin = entry.offsets[0];
  const uint64_t end = entry.offsets[1];
  if (begin > end || end > data.size()) {
    return fail(ErrorKind::bad_file,
                "{}: truncated, or damaged: tensor {} lies at {} to {} of {} bytes of data", where,
                entry.name, begin, end, data.size());
  }
  if (!bits || *bits % 8 != 0 || *bits / 8 != end - begin) {
    return fail(ErrorKind::bad_file, "{}: tensor {} of dtype {} does not fill its {} bytes", where,
                entry.name, entry.dtype, end - begin);
  }
  return SafetensorsEntry{.name = std::move(entry.name),
                          .dtype = std::move(entry.dtype),
                          .shape = std::move(entry.shape),
                          .format = dtype->format,
                          .bytes = data.subspan(begin, end - begin)};
}

}  // namespace

Result<std::vector<SafetensorsEntry>> parse_safetensors(std::span<const std::byte> bytes,
                                                        std::string_view where,
                                                        const SafetensorsLimits& limits) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes + 2) {
    return fail(ErrorKind::bad_file, "{}: truncated at byte {}: too short for a safetensors file",
                where, bytes.size());
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > limits.header_bytes) {
    return fail(
        ErrorKind::bad_file,
        "{}: a safetensors header of {} bytes, at most {} are allowed; is this a safetensors file?",
        where, header_bytes, limits.header_bytes);
  }
  if (header_bytes > bytes.size() - sizeof header_bytes) {
    return fail(ErrorKind::bad_file, "{}: truncated at byte {}: the header has {} bytes", where,
                bytes.size(), header_bytes);
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof header_bytes,
                              header_bytes);
  if (!text.starts_with('{'))
    return fail(ErrorKind::bad_file, "{}: not a safetensors file, its header is no JSON object",
                where);
  HeaderReader header(limits.tensors);
  TRY_STATUS(header.read(text, where));

  const auto data = bytes.subspan(sizeof header_bytes + header_bytes);
  std::vector<SafetensorsEntry> entries;
  entries.reserve(header.entries.size());
  for (auto& raw : header.entries) {
    TRY(auto entry, check_entry(raw, data, where));
    entries.push_back(std::move(entry));
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
                     return std::pair(a.bytes.data(), a.bytes.size()) <
                            std::pair(b.bytes.data(), b.bytes.size());
                   });
  const std::byte* expected = data.data();
  for (const SafetensorsEntry& entry : entries) {
    if (entry.bytes.data() != expected) {
      return fail(ErrorKind::bad_file, "{}: tensor {} {}", where, entry.name,
                  entry.bytes.data() < expected ? "overlaps another" : "begins behind a hole");
    }
    expected += entry.bytes.size();
  }
  const auto trailing = data.size() - static_cast<size_t>(expected - data.data());
  if (trailing == 0) return entries;
  return fail(ErrorKind::bad_file, "{}: {} bytes of unknown data follow the last tensor", where,
              trailing);
}

}  // namespace jiang
