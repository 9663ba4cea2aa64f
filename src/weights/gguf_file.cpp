#include "weights/gguf_file.h"

#include <algorithm>
#include <bit>
#include <set>

#include "base/checked.h"
#include "weights/byte_cursor.h"

namespace jiang {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in memory");

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxNameBytes = 65535;

// The value types of GGUF, by number.
enum class GgufType : uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,
  string,
  array,
  uint64,
  int64,
  float64,
};

// Names and keys end up in messages and tables: nothing that a terminal would act on.
Status check_name(std::string_view name, std::string_view what, std::string_view where) {
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!name.empty() && name.size() <= kMaxNameBytes && printable) return ok();
  return fail(ErrorKind::bad_file,
              "{}: a {} of {} bytes is empty, too long or not printable ASCII; the file is damaged",
              where, what, name.size());
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, std::string_view where, const GgufLimits& limits)
      : file_bytes_(bytes),
        where_(where),
        limits_(limits),
        cursor_(bytes.first(std::min<uint64_t>(bytes.size(), limits.header_bytes)), where) {}

  Result<GgufFile> run() {
    TRY_STATUS(header());
    TRY_STATUS(metadata());
    TRY_STATUS(find_alignment());
    TRY_STATUS(tensor_table());
    TRY_STATUS(place_tensors());
    return std::move(file_);
  }

 private:
  Status header() {
    TRY(const auto magic, cursor_.take(kGgufMagic.size(), "the magic"));
    if (std::memcmp(magic.data(), kGgufMagic.data(), kGgufMagic.size()) != 0) {
      return fail(ErrorKind::bad_file, "{}: not a GGUF file, it does not begin with \"GGUF\"",
                  where_);
    }
    TRY(file_.version, cursor_.number<uint32_t>("the version"));
    if (file_.version != 0 && (file_.version & 0xffff) == 0) {
      return fail(ErrorKind::unsupported, "{}: a big-endian GGUF file; convert it to little-endian",
                  where_);
    }
    if (file_.version != 2 && file_.version != 3) {
      return fail(ErrorKind::unsupported, "{}: GGUF version {}, jiang reads 2 and 3; {}", where_,
                  file_.version,
                  file_.version < 2 ? "convert the model again with a newer tool"
                                    : "a newer jiang may read it");
    }
    TRY(n_tensors_, cursor_.number<uint64_t>("the number of tensors"));
    TRY(n_keys_, cursor_.number<uint64_t>("the number of metadata keys"));
    if (n_tensors_ > limits_.tensors || n_keys_ > limits_.keys) {
      return fail(ErrorKind::bad_file,
                  "{}: {} tensors and {} metadata keys, at most {} and {} are allowed", where_,
                  n_tensors_, n_keys_, limits_.tensors, limits_.keys);
    }
    // The shortest key: length, one letter, type, one byte. The shortest tensor: length, one
    // letter, number of dimensions, one dimension, type, offset.
    TRY_STATUS(cursor_.expect_room(n_keys_, 8 + 1 + 4 + 1, "metadata keys"));
    return cursor_.expect_room(n_tensors_, 8 + 1 + 4 + 8 + 4 + 8, "tensors");
  }

  Status metadata() {
    for (uint64_t i = 0; i < n_keys_; ++i) {
      TRY(const std::string_view key, cursor_.string("a metadata key"));
      TRY_STATUS(check_name(key, "metadata key", where_));
      TRY(const auto type, cursor_.number<uint32_t>(key));
      TRY(MetaValue value, GgufType{type} == GgufType::array ? array(key) : scalar(key, type));
      if (!file_.metadata.values.emplace(key, std::move(value)).second) {
        return fail(ErrorKind::bad_file, "{}: metadata key {} stands twice", where_, key);
      }
      if (key == "general.alignment" && GgufType{type} != GgufType::uint32) {
        return fail(ErrorKind::bad_file,
                    "{}: general.alignment must be a uint32, found value type {}", where_, type);
      }
    }
    return ok();
  }

  template <class Stored, class Kept>
  Result<MetaValue> one(std::string_view key) {
    TRY(const auto value, cursor_.number<Stored>(key));
    return MetaValue(static_cast<Kept>(value));
  }

  Error unknown_type(std::string_view key, uint32_t type) const {
    return fail(ErrorKind::bad_file, "{}: metadata key {} has the unknown value type {}", where_,
                key, type);
  }

  Result<bool> boolean(std::string_view key) {
    TRY(const auto value, cursor_.number<uint8_t>(key));
    if (value > 1)
      return fail(ErrorKind::bad_file, "{}: metadata key {} holds a bool of value {}", where_, key,
                  value);
    return value == 1;
  }

  Result<MetaValue> scalar(std::string_view key, uint32_t type) {
    switch (GgufType{type}) {
      case GgufType::uint8:
        return one<uint8_t, uint64_t>(key);
      case GgufType::int8:
        return one<int8_t, int64_t>(key);
      case GgufType::uint16:
        return one<uint16_t, uint64_t>(key);
      case GgufType::int16:
        return one<int16_t, int64_t>(key);
      case GgufType::uint32:
        return one<uint32_t, uint64_t>(key);
      case GgufType::int32:
        return one<int32_t, int64_t>(key);
      case GgufType::float32:
        return one<float, double>(key);
      case GgufType::uint64:
        return one<uint64_t, uint64_t>(key);
      case GgufType::int64:
        return one<int64_t, int64_t>(key);
      case GgufType::float64:
        return one<double, double>(key);
      case GgufType::boolean: {
        TRY(const bool value, boolean(key));
        return MetaValue(value);
      }
      case GgufType::string: {
        TRY(const std::string_view value, cursor_.string(key));
        return MetaValue(std::string(value));
      }
      case GgufType::array:
        break;
    }
    return unknown_type(key, type);
  }

  template <class Stored, class Kept>
  Result<MetaValue> many(std::string_view key, uint64_t count) {
    TRY_STATUS(cursor_.expect_room(count, sizeof(Stored), fmt::format("elements of {}", key)));
    TRY(const auto bytes, cursor_.take(count * sizeof(Stored), key));
    std::vector<Kept> values(count);
    for (uint64_t i = 0; i < count; ++i) {
      Stored value;
      std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
      values[i] = static_cast<Kept>(value);
    }
    return MetaValue(std::move(values));
  }

  Result<MetaValue> array(std::string_view key) {
    TRY(const auto type, cursor_.number<uint32_t>(key));
    TRY(const auto count, cursor_.number<uint64_t>(key));
    switch (GgufType{type}) {
      case GgufType::uint8:
        return many<uint8_t, uint64_t>(key, count);
      case GgufType::int8:
        return many<int8_t, int64_t>(key, count);
      case GgufType::uint16:
        return many<uint16_t, uint64_t>(key, count);
      case GgufType::int16:
        return many<int16_t, int64_t>(key, count);
      case GgufType::uint32:
        return many<uint32_t, uint64_t>(key, count);
      case GgufType::int32:
        return many<int32_t, int64_t>(key, count);
      case GgufType::float32:
        return many<float, double>(key, count);
      case GgufType::uint64:
        return many<uint64_t, uint64_t>(key, count);
      case GgufType::int64:
        return many<int64_t, int64_t>(key, count);
      case GgufType::float64:
        return many<double, double>(key, count);
      case GgufType::boolean: {
        TRY_STATUS(cursor_.expect_room(count, 1, fmt::format("elements of {}", key)));
        std::vector<bool> values(count);
        for (uint64_t i = 0; i < count; ++i) {
          TRY(values[i], boolean(key));
        }
        return MetaValue(std::move(values));
      }
      case GgufType::string: {
        // Each string carries its length in 8 bytes.
        TRY_STATUS(cursor_.expect_room(count, 8, fmt::format("elements of {}", key)));
        std::vector<std::string> values;
        values.reserve(count);
        for (uint64_t i = 0; i < count; ++i) {
          TRY(const std::string_view value, cursor_.string(key));
          values.emplace_back(value);
        }
        return MetaValue(std::move(values));
      }
      case GgufType::array:
        return fail(ErrorKind::unsupported, "{}: metadata key {} is an array of arrays", where_,
                    key);
    }
    return unknown_type(key, type);
  }

  Status find_alignment() {
    const MetaValue* value = file_.metadata.find("general.alignment");
    file_.alignment = value ? std::get<uint64_t>(*value) : kDefaultAlignment;
    // The specification asks for a multiple of 8; everything else relies on a power of two.
    if (file_.alignment >= 8 && std::has_single_bit(file_.alignment) &&
        file_.alignment <= limits_.alignment)
      return ok();
    return fail(ErrorKind::bad_file,
                "{}: general.alignment is {}, it must be a power of two from 8 to {}", where_,
                file_.alignment, limits_.alignment);
  }

  Status tensor_table() {
    std::set<std::string, std::less<>> names;
    file_.tensors.reserve(n_tensors_);
    offsets_.reserve(n_tensors_);
    for (uint64_t i = 0; i < n_tensors_; ++i) {
      TRY(const std::string_view name, cursor_.string("a tensor's name"));
      TRY_STATUS(check_name(name, "tensor name", where_));
      if (!names.emplace(name).second) {
        return fail(ErrorKind::bad_file, "{}: tensor {} stands twice", where_, name);
      }
      TRY_STATUS(tensor(name));
    }
    return ok();
  }

  Status tensor(std::string_view name) {
    TRY(const auto n_dims, cursor_.number<uint32_t>(name));
    if (n_dims == 0 || n_dims > Shape::kMaxRank) {
      return fail(ErrorKind::bad_file, "{}: tensor {} has {} dimensions, 1 to {} are allowed",
                  where_, name, n_dims, Shape::kMaxRank);
    }
    uint64_t dims[Shape::kMaxRank];
    // GGUF lists the innermost extent first.
    for (uint32_t i = n_dims; i-- > 0;) {
      TRY(dims[i], cursor_.number<uint64_t>(name));
    }
    TRY(const auto type, cursor_.number<uint32_t>(name));
    TRY(const auto offset, cursor_.number<uint64_t>(name));

    TRY(Shape shape, Shape::make({dims, n_dims}, fmt::format("{}: tensor {}", where_, name)));
    const WeightFormat* format = find_ggml_type(type);
    if (!format) {
      return fail(ErrorKind::unsupported,
                  "{}: tensor {} is of type {}, which jiang cannot read; use a file of another "
                  "quantisation",
                  where_, name, ggml_type_name(type));
    }
    const auto row_bytes = format->row_bytes(shape.cols());
    if (!row_bytes) {
      return fail(ErrorKind::bad_file,
                  "{}: tensor {} has rows of {} weights, which blocks of {} ({}) do not divide",
                  where_, name, shape.cols(), format->block_size, format->name);
    }
    const auto size = checked_mul(*row_bytes, static_cast<uint64_t>(shape.rows()));
    if (!size)
      return fail(ErrorKind::bad_file, "{}: tensor {} is larger than a file can be", where_, name);
    offsets_.push_back({.offset = offset, .size = *size, .tensor = file_.tensors.size()});
    file_.tensors.push_back(
        {.name = std::string(name), .format = format->id, .shape = shape, .bytes = {}});
    return ok();
  }

  // In order of offset each tensor begins where the padding of the one before it ends, as llama.cpp
  // demands too: overlaps, holes and trailing data are damage, or something hidden.
  Status place_tensors() {
    const auto start = checked_align(cursor_.position(), file_.alignment);
    file_.data_offset = *start;  // the header is bounded: no overflow
    std::sort(offsets_.begin(), offsets_.end(),
              [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
    uint64_t expected = 0;  // relative to data_offset
    uint64_t end = cursor_.position();
    for (const Placed& placed : offsets_) {
      GgufTensorEntry& tensor = file_.tensors[placed.tensor];
      const auto first = checked_add(file_.data_offset, placed.offset);
      const auto last = first ? checked_add(*first, placed.size) : std::nullopt;
      const auto next =
          last ? checked_align(placed.offset + placed.size, file_.alignment) : std::nullopt;
      if (!next) {
        return fail(ErrorKind::bad_file,
                    "{}: tensor {} at offset {} with {} bytes is beyond any file", where_,
                    tensor.name, placed.offset, placed.size);
      }
      if (placed.offset % file_.alignment != 0) {
        return fail(ErrorKind::bad_file, "{}: tensor {} at offset {} is not aligned to {} bytes",
                    where_, tensor.name, placed.offset, file_.alignment);
      }
      if (placed.offset != expected) {
        return fail(ErrorKind::bad_file,
                    "{}: tensor {} begins at offset {} where {} was expected: tensors {}", where_,
                    tensor.name, placed.offset, expected,
                    placed.offset < expected ? "overlap" : "leave a hole");
      }
      if (*last > file_bytes_.size()) {
        return fail(ErrorKind::bad_file,
                    "{}: truncated at byte {}: tensor {} ends at byte {}; download the file again",
                    where_, file_bytes_.size(), tensor.name, *last);
      }
      tensor.bytes = file_bytes_.subspan(*first, placed.size);
      expected = *next;
      end = *last;
    }
    const uint64_t trailing = file_bytes_.size() - end;
    if (trailing < file_.alignment) return ok();
    return fail(ErrorKind::bad_file, "{}: {} bytes of unknown data follow the last tensor", where_,
                trailing);
  }

  struct Placed {
    uint64_t offset;  // relative to data_offset
    uint64_t size;
    size_t tensor;  // index in file_.tensors
  };

  std::span<const std::byte> file_bytes_;
  std::string_view where_;
  GgufLimits limits_;
  ByteCursor cursor_;
  uint64_t n_tensors_ = 0;
  uint64_t n_keys_ = 0;
  std::vector<Placed> offsets_;
  GgufFile file_;
};

}  // namespace

Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, std::string_view where,
                            const GgufLimits& limits) {
  return Parser(bytes, where, limits).run();
}

}  // namespace jiang
