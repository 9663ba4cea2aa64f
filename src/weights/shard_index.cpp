// model.safetensors.index.json.
#include <algorithm>
#include <map>
#include <unordered_set>

#include "weights/hf_folder.h"
#include "weights/json_reader.h"

namespace jiang {
namespace {

constexpr size_t kMaxShards = 1000;
constexpr size_t kMaxTensors = 1'000'000;

// Only a name in the same folder: an index must not make us open anything else.
bool is_plain_file_name(const std::string& name) {
  return name.size() <= 255 && name.ends_with(".safetensors") && name.front() != '.' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c > 0x20 && c < 0x7f && c != '/' && c != '\\'; });
}

// Reads {"metadata": {...anything flat...}, "weight_map": {"TENSOR": "FILE"}}.
class IndexReader final : public JsonReader {
 public:
  std::map<std::string, size_t> files;  // name -> order of appearance
  std::vector<std::pair<std::string, size_t>> tensors;
  bool has_weight_map = false;

  bool null() override { return in_other_ || unexpected("null"); }
  bool boolean(bool) override { return in_other_ || unexpected("a bool"); }
  bool number_integer(number_integer_t) override { return in_other_ || unexpected("a number"); }
  bool number_unsigned(number_unsigned_t) override { return in_other_ || unexpected("a number"); }
  bool number_float(number_float_t, const string_t&) override {
    return in_other_ || unexpected("a number");
  }
  bool start_object(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return in_other_ ? enter() : unexpected("a list"); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      in_other_ = name != "weight_map";
      if (in_other_) return true;
      if (has_weight_map) return refuse("\"weight_map\" stands twice");
      return has_weight_map = true;
    }
    if (in_other_) return true;
    if (!names_.insert(name).second)
      return refuse(fmt::format("tensor {} stands twice", printable(name)));
    if (tensors.size() == kMaxTensors)
      return refuse(fmt::format("more than {} tensors", kMaxTensors));
    tensors.emplace_back(name, 0);
    return true;
  }
  bool string(string_t& value) override {
    if (in_other_) return true;
    if (depth_ != 2) return unexpected("a string");
    if (!is_plain_file_name(value)) {
      return refuse(fmt::format("\"{}\" is not the name of a safetensors file in this folder",
                                printable(value)));
    }
    const auto [file, is_new] = files.emplace(value, files.size());
    if (files.size() > kMaxShards) return refuse(fmt::format("more than {} shards", kMaxShards));
    tensors.back().second = file->second;
    return true;
  }

 private:
  bool enter() {
    if (depth_ >= (in_other_ ? 16 : 2)) return refuse("nested too deep");
    ++depth_;
    return true;
  }
  bool leave() {
    if (--depth_ == 1) in_other_ = true;
    return true;
  }
  bool unexpected(std::string_view what) override {
    return refuse(fmt::format("unexpected {}", what));
  }

  int depth_ = 0;
  bool in_other_ = false;
  std::unordered_set<std::string> names_;
};

}  // namespace

Result<ShardIndex> parse_shard_index(std::string_view json, std::string_view where) {
  const size_t first = json.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || json[first] != '{') {
    return fail(ErrorKind::bad_file, "{}: not a JSON object", where);
  }
  IndexReader reader;
  TRY_STATUS(reader.read(json, where));
  if (reader.tensors.empty())
    return fail(ErrorKind::bad_file, "{}: \"weight_map\" is missing or empty", where);
  ShardIndex index;
  std::vector<size_t> sorted(reader.files.size());
  for (const auto& [name, order] : reader.files) {
    sorted[order] = index.files.size();
    index.files.push_back(name);
  }
  index.tensors = std::move(reader.tensors);
  for (auto& [name, file] : index.tensors) file = sorted[file];
  return index;
}

}  // namespace jiang
