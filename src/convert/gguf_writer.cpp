#include "convert/gguf_writer.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>

#include "base/checked.h"

namespace jiang {
namespace {

constexpr uint64_t kAlignment = 32;    // the default, so no general.alignment is written
constexpr size_t kMaxTensorName = 63;  // llama.cpp's GGML_MAX_NAME, less the NUL
constexpr uint32_t kVersion = 3;

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

// Metadata widens its numbers and llama.cpp insists on the width it knows. That is 32 bits for
// nearly every key (64 where a number needs it); these are the others.
struct NarrowKey {
  const char* key;
  GgufType type;
};
constexpr NarrowKey kNarrowKeys[] = {
    {"split.no", GgufType::uint16},
    {"split.count", GgufType::uint16},
    {"split.tensors.count", GgufType::int32},
    {"tokenizer.ggml.precompiled_charsmap", GgufType::uint8},
};

class HeaderWriter {
 public:
  std::string bytes;

  template <class T>
  void number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void string(std::string_view text) {
    number<uint64_t>(text.size());
    bytes.append(text);
  }

  void key_value(std::string_view key, const MetaValue& value) {
    string(key);
    key_ = key;
    std::visit([this](const auto& v) { typed(v); }, value);
  }

 private:
  void type(GgufType value) { number(static_cast<uint32_t>(value)); }

  // The type for integers from `least` to `most`, signed or not as Metadata has them: a file that
  // is read and written again keeps its types.
  GgufType integer_type(bool is_signed, int64_t least, uint64_t most) const {
    for (const NarrowKey& narrow : kNarrowKeys) {
      if (narrow.key == key_) return narrow.type;
    }
    if (is_signed) {
      const bool fits = least >= std::numeric_limits<int32_t>::min() &&
                        most <= static_cast<uint64_t>(std::numeric_limits<int32_t>::max());
      return fits ? GgufType::int32 : GgufType::int64;
    }
    return most <= std::numeric_limits<uint32_t>::max() ? GgufType::uint32 : GgufType::uint64;
  }

  template <class T>
  void integer(GgufType as, T value) {
    switch (as) {
      case GgufType::uint8:
        return number(static_cast<uint8_t>(value));
      case GgufType::int8:
        return number(static_cast<int8_t>(value));
      case GgufType::uint16:
        return number(static_cast<uint16_t>(value));
      case GgufType::int16:
        return number(static_cast<int16_t>(value));
      case GgufType::uint32:
        return number(static_cast<uint32_t>(value));
      case GgufType::int32:
        return number(static_cast<int32_t>(value));
      case GgufType::uint64:
        return number(static_cast<uint64_t>(value));
      default:
        return number(static_cast<int64_t>(value));
    }
  }

  static int64_t least_of(int64_t value) { return value; }
  static int64_t least_of(uint64_t) { return 0; }
  static uint64_t most_of(int64_t value) { return value < 0 ? 0 : static_cast<uint64_t>(value); }
  static uint64_t most_of(uint64_t value) { return value; }

  template <class T>
  void one_integer(T value) {
    const GgufType as = integer_type(std::is_signed_v<T>, least_of(value), most_of(value));
    type(as);
    integer(as, value);
  }
  template <class T>
  void many_integers(const std::vector<T>& values) {
    int64_t least = 0;
    uint64_t most = 0;
    for (const T value : values) {
      least = std::min(least, least_of(value));
      most = std::max(most, most_of(value));
    }
    const GgufType as = integer_type(std::is_signed_v<T>, least, most);
    array(as, values.size());
    for (const T value : values) integer(as, value);
  }
  void array(GgufType element, size_t count) {
    type(GgufType::array);
    type(element);
    number<uint64_t>(count);
  }

  void typed(bool value) {
    type(GgufType::boolean);
    number<uint8_t>(value);
  }
  void typed(int64_t value) { one_integer(value); }
  void typed(uint64_t value) { one_integer(value); }
  void typed(double value) {
    type(GgufType::float32);
    number(static_cast<float>(value));
  }
  void typed(const std::string& value) {
    type(GgufType::string);
    string(value);
  }
  void typed(const std::vector<bool>& values) {
    array(GgufType::boolean, values.size());
    for (const bool value : values) number<uint8_t>(value);
  }
  void typed(const std::vector<int64_t>& values) { many_integers(values); }
  void typed(const std::vector<uint64_t>& values) { many_integers(values); }
  void typed(const std::vector<double>& values) {
    array(GgufType::float32, values.size());
    for (const double value : values) number(static_cast<float>(value));
  }
  void typed(const std::vector<std::string>& values) {
    array(GgufType::string, values.size());
    for (const std::string& value : values) string(value);
  }

  std::string_view key_;
};

Result<uint64_t> tensor_bytes(const GgufTensor& tensor) {
  const auto row = weight_format(tensor.format).row_bytes(tensor.shape.cols());
  const auto size =
      row ? checked_mul(*row, static_cast<uint64_t>(tensor.shape.rows())) : std::nullopt;
  if (size && *size < (uint64_t{1} << 62)) return *size;
  return fail(ErrorKind::invalid_argument, "tensor {} of shape {} cannot be written as {}",
              tensor.name, tensor.shape.to_string(), weight_format(tensor.format).name);
}

Status check_free_space(const std::string& path, uint64_t needed) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code failed;
  const auto space = std::filesystem::space(folder.empty() ? "." : folder, failed);
  if (failed || space.available >= needed) return ok();
  return fail(
      ErrorKind::io,
      "{}: the file will have {} bytes, {} are free there; make room or choose another disk", path,
      needed, static_cast<uint64_t>(space.available));
}

}  // namespace

Result<GgufWriter> GgufWriter::create(const std::string& path, const Metadata& metadata,
                                      std::vector<GgufTensor> tensors) {
  const bool own_alignment = metadata.has("general.alignment");
  HeaderWriter header;
  header.bytes = "GGUF";
  header.number(kVersion);
  header.number<uint64_t>(tensors.size());
  header.number<uint64_t>(metadata.values.size() - (own_alignment ? 1 : 0));
  for (const auto& [key, value] : metadata.values) {
    if (key != "general.alignment") header.key_value(key, value);
  }
  uint64_t offset = 0;
  std::set<std::string_view> names;
  for (const GgufTensor& tensor : tensors) {
    if (tensor.name.empty() || tensor.name.size() > kMaxTensorName ||
        !names.insert(tensor.name).second) {
      return fail(ErrorKind::invalid_argument,
                  "{}: \"{}\" cannot name a tensor: empty, longer than {} bytes or used twice",
                  path, tensor.name, kMaxTensorName);
    }
    header.string(tensor.name);
    header.number(static_cast<uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank(); i-- > 0;)
      header.number(static_cast<uint64_t>(tensor.shape[i]));
    header.number(weight_format(tensor.format).ggml_type);
    header.number(offset);
    TRY(const uint64_t size, tensor_bytes(tensor));
    const auto next = checked_add(offset, size);
    const auto aligned = next ? checked_align(*next, kAlignment) : std::nullopt;
    if (!aligned)
      return fail(ErrorKind::invalid_argument, "{}: the tensors are larger than a file can be",
                  path);
    offset = *aligned;
  }
  header.bytes.resize(*checked_align(header.bytes.size(), kAlignment), '\0');
  const auto file_bytes = checked_add(header.bytes.size(), offset);
  if (!file_bytes)
    return fail(ErrorKind::invalid_argument, "{}: the tensors are larger than a file can be", path);

  TRY_STATUS(check_free_space(path, *file_bytes));
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_STATUS(file.write(header.bytes));
  GgufWriter writer(std::move(file));
  writer.tensors_ = std::move(tensors);
  writer.file_bytes_ = *file_bytes;
  return writer;
}

Status GgufWriter::write_tensor(std::span<const std::byte> bytes) {
  JIANG_CHECK(next_ < tensors_.size(), "more tensors written than announced");
  const GgufTensor& tensor = tensors_[next_];
  TRY(const uint64_t size, tensor_bytes(tensor));
  JIANG_CHECK(bytes.size() == size,
              fmt::format("{} bytes for tensor {} of {}", bytes.size(), tensor.name, size));
  TRY_STATUS(file_.write(bytes));
  static constexpr std::byte kPadding[kAlignment]{};
  const size_t past = bytes.size() % kAlignment;
  if (past != 0) TRY_STATUS(file_.write(std::span(kPadding).first(kAlignment - past)));
  ++next_;
  return ok();
}

Status GgufWriter::commit() {
  JIANG_CHECK(next_ == tensors_.size(), "fewer tensors written than announced");
  JIANG_CHECK(file_.size() == file_bytes_, "the file is not as long as it was laid out");
  return file_.commit();
}

}  // namespace jiang
