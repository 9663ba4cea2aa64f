#include "convert/importance_matrix.h"

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "convert/gguf_writer.h"
#include "weights/byte_cursor.h"
#include "weights/gguf_file.h"
#include "weights/gguf_names.h"

namespace jiang {
namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";
constexpr std::string_view kProducts = ".in_products";  // ours; others pass over it

Status check_numbers(std::string_view where, std::string_view name, std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && values[i] >= 0) continue;
    return fail(ErrorKind::bad_numbers,
                "{}: column {} of {} has the mean square {}; make the importance matrix again",
                where, i, name, values[i]);
  }
  return ok();
}

std::vector<float> floats_of(const GgufTensorEntry& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// Sums and counts of one layer become means. There is one count for each expert.
Status add_entry(ImportanceMatrix& matrix, std::string_view where, const std::string& name,
                 const GgufTensorEntry& sums, const GgufTensorEntry* counts) {
  if (!counts || sums.format != Format::f32 || counts->format != Format::f32) {
    return fail(ErrorKind::bad_file, "{}: {} needs sums and counts in f32", where, name);
  }
  std::vector<float> values = floats_of(sums);
  const std::vector<float> n = floats_of(*counts);
  if (n.empty() || values.empty() || values.size() % n.size() != 0) {
    return fail(ErrorKind::bad_file, "{}: {} has {} sums for {} counts", where, name, values.size(),
                n.size());
  }
  const size_t cols = values.size() / n.size();
  double rows = 0;
  for (size_t m = 0; m < n.size(); ++m) {
    if (!(n[m] >= 0) || n[m] > 1e15f)
      return fail(ErrorKind::bad_file, "{}: {} counts {} rows", where, name, n[m]);
    rows += n[m];
    // An expert that was never asked has no opinion: all its columns count alike.
    for (size_t i = m * cols; i < (m + 1) * cols; ++i) values[i] = n[m] > 0 ? values[i] / n[m] : 1;
  }
  TRY_STATUS(check_numbers(where, name, values));
  matrix.rows_seen[name] = static_cast<int64_t>(rows);
  matrix.columns[name] = std::move(values);
  return ok();
}

Status add_products(ImportanceMatrix& matrix, std::string_view where,
                    const GgufTensorEntry& tensor) {
  const std::string name = tensor.name.substr(0, tensor.name.size() - kProducts.size());
  if (tensor.format != Format::f32)
    return fail(ErrorKind::bad_file, "{}: {} is not in f32", where, tensor.name);
  std::vector<float> values = floats_of(tensor);
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return fail(ErrorKind::bad_numbers, "{}: {} holds {}; make the importance matrix again",
                  where, tensor.name, value);
    }
  }
  matrix.products[name] = std::move(values);
  return ok();
}

Result<ImportanceMatrix> parse_gguf_matrix(std::span<const std::byte> bytes,
                                           std::string_view where) {
  TRY(const GgufFile file, parse_gguf(bytes, where));
  TRY(const std::string kind, file.metadata.get_string_or("general.type", "model"));
  if (kind != "imatrix") {
    return fail(
        ErrorKind::bad_file,
        "{}: a GGUF file of type \"{}\", not an importance matrix (jiang imatrix makes one)", where,
        kind);
  }
  ImportanceMatrix matrix;
  TRY(matrix.chunks, file.metadata.get_int_or("imatrix.chunk_count", 0));
  TRY(matrix.chunk_tokens, file.metadata.get_int_or("imatrix.chunk_size", 0));
  if (file.metadata.has("imatrix.datasets")) {
    TRY(const auto* datasets, file.metadata.get_strings("imatrix.datasets"));
    matrix.datasets = *datasets;
  }
  std::map<std::string_view, const GgufTensorEntry*> by_name;
  for (const GgufTensorEntry& tensor : file.tensors) by_name[tensor.name] = &tensor;
  for (const GgufTensorEntry& tensor : file.tensors) {
    if (tensor.name.ends_with(kProducts)) TRY_STATUS(add_products(matrix, where, tensor));
    if (!tensor.name.ends_with(kSums)) continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - kSums.size());
    const auto counts = by_name.find(name + std::string(kCounts));
    TRY_STATUS(
        add_entry(matrix, where, name, tensor, counts == by_name.end() ? nullptr : counts->second));
  }
  return matrix;
}

// The older format: count of entries; each a length, a name, a number of calls, a number of values
// and the values, which are means times calls. Newer writers add chunks and the data set's name.
Result<ImportanceMatrix> parse_dat(std::span<const std::byte> bytes, std::string_view where) {
  constexpr uint64_t kMaxName = 4096;
  ByteCursor cursor(bytes, where);
  TRY(const int32_t entries, cursor.number<int32_t>("the number of entries"));
  if (entries < 1) {
    return fail(ErrorKind::bad_file, "{}: not an importance matrix: it has {} entries", where,
                entries);
  }
  TRY_STATUS(cursor.expect_room(static_cast<uint64_t>(entries), 12, "entries"));
  auto text = [&](const char* what) -> Result<std::string> {
    TRY(const int32_t length, cursor.number<int32_t>(what));
    if (length < 0 || static_cast<uint64_t>(length) > kMaxName)
      return fail(ErrorKind::bad_file, "{}: {} has {} bytes", where, what, length);
    TRY(const auto name, cursor.take(static_cast<uint64_t>(length), what));
    return std::string(reinterpret_cast<const char*>(name.data()), name.size());
  };
  ImportanceMatrix matrix;
  for (int32_t i = 0; i < entries; ++i) {
    TRY(const std::string name, text("the name of an entry"));
    TRY(const int32_t calls, cursor.number<int32_t>("the calls of an entry"));
    TRY(const int32_t count, cursor.number<int32_t>("the size of an entry"));
    if (name.empty() || calls < 0 || count < 1)
      return fail(ErrorKind::bad_file, "{}: entry {} (\"{}\") has {} values of {} calls", where, i,
                  name, count, calls);
    TRY_STATUS(cursor.expect_room(static_cast<uint64_t>(count), sizeof(float), "values"));
    TRY(const auto raw, cursor.take(static_cast<uint64_t>(count) * sizeof(float), "values"));
    std::vector<float> values(static_cast<size_t>(count));
    std::memcpy(values.data(), raw.data(), raw.size());
    if (calls > 0) {
      for (float& value : values) value /= static_cast<float>(calls);
    }
    TRY_STATUS(check_numbers(where, name, values));
    if (!matrix.columns.emplace(name, std::move(values)).second)
      return fail(ErrorKind::bad_file, "{}: two entries are called {}", where, name);
    matrix.rows_seen[name] = calls;
  }
  if (cursor.left() > 0) {
    TRY(const int32_t chunks, cursor.number<int32_t>("the number of chunks"));
    matrix.chunks = chunks;
    TRY(std::string dataset, text("the name of the data set"));
    matrix.datasets.push_back(std::move(dataset));
  }
  return matrix;
}

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

Result<ImportanceMatrix> parse_importance_matrix(std::span<const std::byte> bytes,
                                                 std::string_view where) {
  const bool is_gguf = bytes.size() >= kGgufMagic.size() &&
                       std::memcmp(bytes.data(), kGgufMagic.data(), kGgufMagic.size()) == 0;
  TRY(ImportanceMatrix matrix, is_gguf ? parse_gguf_matrix(bytes, where) : parse_dat(bytes, where));
  if (!matrix.columns.empty()) return matrix;
  return fail(ErrorKind::bad_file, "{}: the importance matrix is empty", where);
}

Result<ImportanceMatrix> read_importance_matrix(const std::string& path) {
  TRY(const MappedFile file, MappedFile::open(path));
  return parse_importance_matrix(file.bytes(), path);
}

Status write_importance_matrix(const std::string& path, const ImportanceMatrix& matrix) {
  Metadata metadata;
  metadata.values["general.type"] = std::string("imatrix");
  metadata.values["imatrix.datasets"] = matrix.datasets;
  metadata.values["imatrix.chunk_count"] =
      static_cast<uint64_t>(std::max<int64_t>(matrix.chunks, 0));
  metadata.values["imatrix.chunk_size"] =
      static_cast<uint64_t>(std::max<int64_t>(matrix.chunk_tokens, 0));

  // Sums, not means, so that matrices can be added up; counts are exact in f32 up to 2^24.
  struct Entry {
    std::vector<float> sums;
    std::vector<float> count;
  };
  std::vector<GgufTensor> tensors;
  std::vector<Entry> entries;
  for (const auto& [name, means] : matrix.columns) {
    const auto seen = matrix.rows_seen.find(name);
    const float rows =
        seen != matrix.rows_seen.end() && seen->second > 0 ? static_cast<float>(seen->second) : 1;
    Entry entry{means, {rows}};
    for (float& value : entry.sums) value *= rows;
    TRY_STATUS(check_numbers(path, name, entry.sums));
    tensors.push_back(
        {name + std::string(kSums), Format::f32, Shape{1, static_cast<int64_t>(means.size())}});
    tensors.push_back({name + std::string(kCounts), Format::f32, Shape{1, 1}});
    entries.push_back(std::move(entry));
  }
  for (const auto& [name, products] : matrix.products) {
    tensors.push_back({name + std::string(kProducts), Format::f32,
                       Shape{1, static_cast<int64_t>(products.size())}});
  }
  TRY(GgufWriter writer, GgufWriter::create(path, metadata, std::move(tensors)));
  for (const Entry& entry : entries) {
    TRY_STATUS(writer.write_tensor(bytes_of(entry.sums)));
    TRY_STATUS(writer.write_tensor(bytes_of(entry.count)));
  }
  for (const auto& [name, products] : matrix.products)
    TRY_STATUS(writer.write_tensor(bytes_of(products)));
  return writer.commit();
}

ImportanceCollector::ImportanceCollector(std::string gguf_architecture)
    : architecture_(std::move(gguf_architecture)) {}

void ImportanceCollector::accumulate(std::string_view hf_name, std::span<const float> rows,
                                     int64_t cols) {
  const auto width = static_cast<size_t>(cols);
  auto found = sums_.find(hf_name);
  if (found == sums_.end()) {
    found = sums_.emplace(std::string(hf_name), Sums{std::vector<double>(width), 0}).first;
  }
  Sums& sums = found->second;
  JIANG_CHECK(sums.squares.size() == width && rows.size() % width == 0,
              "activations of another width for " + std::string(hf_name));
  for (size_t from = 0; from < rows.size(); from += width) {
    for (size_t i = 0; i < width; ++i) {
      sums.squares[i] += double{rows[from + i]} * rows[from + i];
    }
    ++sums.rows;
  }
}

std::string ImportanceCollector::gguf_name(std::string_view hf_name) const {
  return gguf_tensor_name(architecture_, hf_name);
}

Result<ImportanceMatrix> ImportanceCollector::finish(int64_t chunks, int64_t chunk_tokens,
                                                     std::vector<std::string> datasets) const {
  ImportanceMatrix matrix;
  for (const auto& [hf_name, sums] : sums_) {
    const std::string name = gguf_name(hf_name);
    if (name.empty() || sums.rows == 0) continue;
    std::vector<float> means(sums.squares.size());
    for (size_t i = 0; i < means.size(); ++i) {
      means[i] = static_cast<float>(sums.squares[i] / static_cast<double>(sums.rows));
    }
    TRY_STATUS(check_numbers("activations", hf_name, means));
    matrix.columns[name] = std::move(means);
    matrix.rows_seen[name] = sums.rows;
  }
  if (matrix.columns.empty()) {
    return fail(ErrorKind::invalid_argument, "no layer with a GGUF name was met: give more text");
  }
  matrix.chunks = chunks;
  matrix.chunk_tokens = chunk_tokens;
  matrix.datasets = std::move(datasets);
  return matrix;
}

}  // namespace jiang
