#include "install/quantise_folder.h"

#include <map>

#include "base/file.h"
#include "text/gguf_tokenizer.h"
#include "weights/safetensors.h"
#include "weights/tensor_source.h"

namespace jiang {
namespace {

struct Place {
  size_t shard = 0;
  uint64_t offset = 0, bytes = 0;
};

// Of every tensor, by the name that its file gives it.
Result<std::map<std::string, Place>> find_places(const std::string& folder,
                                                 const std::vector<std::string>& shards) {
  std::map<std::string, Place> places;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string path = folder + "/" + shards[i];
    TRY(const MappedFile file, MappedFile::open(path));
    TRY(const auto entries, parse_safetensors(file.bytes(), path));
    for (const SafetensorsEntry& entry : entries) {
      places[entry.name] = {i, static_cast<uint64_t>(entry.bytes.data() - file.bytes().data()),
                            entry.bytes.size()};
    }
  }
  return places;
}

}  // namespace

bool safetensors_header_is_there(const std::string& path, uint64_t bytes) {
  const auto file = MappedFile::open(path);
  if (!file || bytes < 8 || file->bytes().size() < 8) return false;
  uint64_t length = 0;  // little-endian
  for (size_t i = 8; i-- > 0;) length = length << 8 | std::to_integer<uint64_t>(file->bytes()[i]);
  // A length beyond the format's limit will never be there: the reader refuses it by name.
  return length > SafetensorsLimits().header_bytes || bytes >= 8 + length;
}

Status quantise_folder(const QuantiseFolder& job, const std::vector<std::string>& shards,
                       ShardGate* gate) {
  QuantizeOptions options;
  options.progress = job.progress;
  std::map<std::string, Place> places;
  if (gate) {
    TRY(places, find_places(job.folder, shards));
    options.before_tensor = [&](const TensorInfo& tensor) -> Status {
      const auto found = places.find(tensor.source_name);
      if (found == places.end()) {
        return fail(ErrorKind::bad_file, "{}: no file has the tensor {}", job.folder,
                    tensor.source_name);
      }
      return gate->wait_for(found->second.shard, found->second.offset, found->second.bytes);
    };
  }
  TRY(const auto source, open_tensor_source(job.folder));
  TRY(options.extra_metadata, tokenizer_to_gguf_metadata(job.folder));
  ThreadPool pool(job.threads);
  auto report = quantize_model(*source, job.out, job.type, pool, options);
  if (!report) return std::move(report).error();
  return ok();
}

}  // namespace jiang
