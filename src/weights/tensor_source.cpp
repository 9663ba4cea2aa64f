#include "weights/tensor_source.h"

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "weights/gguf_source.h"
#include "weights/guarded_file.h"
#include "weights/hf_folder.h"

namespace jiang {
namespace {

struct Magic {
  size_t offset;
  std::string_view bytes;
  const char* what;  // a sentence: what it is and the way out
};

// Files that people give for models. Pickles (and the ZIP files they come in) can run code when
// they are read: they are refused whatever they are called.
constexpr Magic kForeign[] = {
    {0, "PK\x03\x04",
     "a ZIP file, as PyTorch's pickles are, which can run code and are never read; get or convert "
     "to safetensors or GGUF"},
    {0, "\x80\x02",
     "a Python pickle, which can run code and is never read; get or convert to safetensors or "
     "GGUF"},
    {0, "\x80\x03",
     "a Python pickle, which can run code and is never read; get or convert to safetensors or "
     "GGUF"},
    {0, "\x80\x04",
     "a Python pickle, which can run code and is never read; get or convert to safetensors or "
     "GGUF"},
    {0, "\x80\x05",
     "a Python pickle, which can run code and is never read; get or convert to safetensors or "
     "GGUF"},
    {0, "\x89HDF", "an HDF5 file; get the model as safetensors or GGUF"},
    {0, "lmgg", "a GGML file from before GGUF; convert the model again with a newer tool"},
    {0, "fmgg", "a GGML file from before GGUF; convert the model again with a newer tool"},
    {0, "tjgg", "a GGML file from before GGUF; convert the model again with a newer tool"},
    {0, "algg", "a LoRA file from before GGUF; convert it again with a newer tool"},
    {0, "FUGG", "a GGUF file with its bytes swapped; download it again"},
    {4, "TFL3", "a TensorFlow Lite file; get the model as safetensors or GGUF"},
    {0, "\x1f\x8b", "compressed with gzip; unpack it first"},
    {0, "version https://git-lfs",
     "a Git LFS pointer, not the model itself; run 'git lfs pull' or download the file"},
};

// ONNX is a protobuf without a magic: field 1 (IR version, a small number), then field 2 (producer)
// or field 7 (the graph).
bool looks_like_onnx(std::string_view head) {
  return head.size() > 3 && head[0] == 0x08 && head[1] > 0 && head[1] < 0x20 &&
         (head[2] == 0x12 || head[2] == 0x3a);
}

// A little-endian length below 2^32, then JSON.
bool looks_like_safetensors(std::string_view head) {
  return head.size() > 8 && head[8] == '{' && head.substr(4, 4) == std::string_view("\0\0\0\0", 4);
}

Error foreign_file(const std::string& path, std::string_view head) {
  for (const Magic& magic : kForeign) {
    if (head.size() >= magic.offset && head.substr(magic.offset).starts_with(magic.bytes)) {
      return fail(ErrorKind::unsupported, "{}: {}", path, magic.what);
    }
  }
  if (looks_like_onnx(head)) {
    return fail(ErrorKind::unsupported, "{}: an ONNX file; get the model as safetensors or GGUF",
                path);
  }
  if (looks_like_safetensors(head)) {
    return fail(ErrorKind::invalid_argument,
                "{}: one safetensors file; name the folder that holds it and its config.json",
                path);
  }
  return fail(ErrorKind::bad_file, "{}: neither a GGUF file nor a Hugging Face folder", path);
}

}  // namespace

Result<const TensorInfo*> TensorSource::require(std::string_view hf_name) const {
  if (const TensorInfo* found = find(hf_name)) return found;
  for (const UnusableTensor& tensor : unusable()) {
    if (tensor.name == hf_name) {
      return fail(ErrorKind::unsupported, "{}: tensor {} cannot be used: {}", path(), hf_name,
                  tensor.why);
    }
  }
  return fail(ErrorKind::bad_file, "{}: tensor {} is missing", path(), hf_name);
}

Result<std::shared_ptr<const TensorSource>> open_tensor_source(const std::string& path) {
  if (is_directory(path)) return open_hf_folder(path);
  std::string head;
  {
    TRY(const GuardedFile file, GuardedFile::open(path));
    const auto bytes = file.bytes().first(std::min<size_t>(file.bytes().size(), 64));
    head.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  // A file that ends within the magic is a truncated GGUF file.
  if (head.starts_with("GGUF") || std::string_view("GGUF").starts_with(head))
    return open_gguf(path);
  return foreign_file(path, head);
}

}  // namespace jiang
