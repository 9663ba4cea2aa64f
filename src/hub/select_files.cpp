#include "hub/select_files.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/suggest.h"

namespace jiang {
namespace {

// What the tokenizer, the template and the configs of the families in src/model/arch may need.
constexpr std::array kFolderFiles = {"config.json",
                                     "generation_config.json",
                                     "tokenizer.json",
                                     "tokenizer_config.json",
                                     "tokenizer.model",
                                     "special_tokens_map.json",
                                     "added_tokens.json",
                                     "chat_template.jinja",
                                     "chat_template.json",
                                     "vocab.json",
                                     "merges.txt",
                                     "vocab.txt",
                                     "spiece.model",
                                     "sentencepiece.bpe.model",
                                     "qwen.tiktoken",
                                     "tokenizer.tiktoken",
                                     "modules.json",
                                     "1_Pooling/config.json",
                                     "model.safetensors.index.json",
                                     "LICENSE",
                                     "LICENSE.txt"};

// Of several GGUF files, when nobody chose: the order of preference.
constexpr std::array kPreferred = {"q4_k_m", "q4_0", "q4_k_s", "iq4_xs", "iq4_nl", "q5_k_m",
                                   "q5_0",   "q6_k", "q8_0",   "f16",    "bf16"};

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// "x-q4_k_m.gguf" has "q4_k_m", and not "q4_k" or "k_m".
bool has_word(const std::string& name, std::string_view word) {
  for (size_t at = name.find(word); at != std::string::npos; at = name.find(word, at + 1)) {
    const bool begins = at == 0 || (!is_alphanumeric(name[at - 1]) && name[at - 1] != '_');
    const size_t end = at + word.size();
    if (begins && (end == name.size() || (!is_alphanumeric(name[end]) && name[end] != '_'))) {
      return true;
    }
  }
  return false;
}

// "-00002-of-00003.gguf" -> 2; 0 for a whole file.
int part_number(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot < 15) return 0;
  const std::string_view tail = name.substr(dot - 15, 15);
  const auto digits = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !digits(tail.substr(1, 5)) ||
      !digits(tail.substr(10, 5))) {
    return 0;
  }
  return std::stoi(std::string(tail.substr(1, 5)));
}

bool is_in_top_folder(std::string_view name) { return name.find('/') == std::string_view::npos; }

std::vector<const RepoFile*> gguf_files(const Repository& repository) {
  std::vector<const RepoFile*> files;
  for (const RepoFile& file : repository.files) {
    const std::string name = ascii_lower(file.name);
    // Of a model that also sees pictures, mmproj is the half that jiang does not compute.
    if (name.ends_with(".gguf") && name.find("mmproj") == std::string::npos) files.push_back(&file);
  }
  return files;
}

// The chosen file, and the other parts if it is split.
FileSelection gguf_selection(const Repository& repository, const RepoFile& first) {
  FileSelection selection;
  selection.is_gguf = true;
  if (part_number(first.name) == 0) {
    selection.files = {&first};
    return selection;
  }
  const std::string stem = first.name.substr(0, first.name.size() - 20);
  const std::string of = first.name.substr(first.name.size() - 14);
  for (const RepoFile& file : repository.files) {
    if (file.name.size() == first.name.size() && file.name.starts_with(stem) &&
        file.name.ends_with(of) && part_number(file.name) > 0) {
      selection.files.push_back(&file);
    }
  }
  std::sort(selection.files.begin(), selection.files.end(),
            [](const RepoFile* a, const RepoFile* b) { return a->name < b->name; });
  return selection;
}

Result<FileSelection> folder_selection(const Repository& repository) {
  FileSelection selection;
  for (const char* name : kFolderFiles) {
    const RepoFile* file = repository.find(name);
    if (!file) continue;
    if (file->bytes && *file->bytes == 0) {
      return fail(ErrorKind::bad_file, "{} lists {} as empty: the upload is broken",
                  repository.repo, name);
    }
    selection.files.push_back(file);
  }
  if (!repository.find("config.json")) {
    return fail(ErrorKind::unsupported,
                "{} has no config.json: not a model in the form of "
                "transformers",
                repository.repo);
  }
  const bool is_sharded = repository.find("model.safetensors.index.json") != nullptr;
  std::vector<const RepoFile*> weights;
  for (const RepoFile& file : repository.files) {
    if (!is_in_top_folder(file.name) || !file.name.ends_with(".safetensors")) continue;
    if (is_sharded ? part_number(file.name) > 0 : file.name == "model.safetensors") {
      weights.push_back(&file);
    }
  }
  std::sort(weights.begin(), weights.end(),
            [](const RepoFile* a, const RepoFile* b) { return a->name < b->name; });
  selection.files.insert(selection.files.end(), weights.begin(), weights.end());
  return selection;
}

bool has_safetensors(const Repository& repository) {
  return std::any_of(repository.files.begin(), repository.files.end(), [](const RepoFile& file) {
    return is_in_top_folder(file.name) && file.name.ends_with(".safetensors") &&
           (file.name == "model.safetensors" || part_number(file.name) > 0);
  });
}

Error no_weights(const Repository& repository) {
  for (const RepoFile& file : repository.files) {
    for (const char* end : {".bin", ".pt", ".pth"}) {
      if (!file.name.ends_with(end)) continue;
      return fail(ErrorKind::unsupported,
                  "{} has its weights as Python pickles ({}), which can run code and are never "
                  "read; look for a repository with safetensors or GGUF",
                  repository.repo, file.name);
    }
  }
  return fail(ErrorKind::not_found, "{} has neither safetensors nor a GGUF file", repository.repo);
}

}  // namespace

uint64_t FileSelection::bytes() const {
  uint64_t total = 0;
  for (const RepoFile* file : files) total += file->bytes.value_or(0);
  return total;
}

bool is_weights_file(std::string_view name) {
  return name.ends_with(".safetensors") || name.ends_with(".gguf");
}

Result<FileSelection> select_files(const Repository& repository, std::string_view choice,
                                   const std::vector<std::string>& known_types) {
  const std::vector<const RepoFile*> ggufs = gguf_files(repository);
  if (!choice.empty()) {
    if (const RepoFile* file = repository.find(choice)) {
      if (!file->name.ends_with(".gguf")) {
        return fail(ErrorKind::invalid_argument,
                    "{}: of a repository's files only a .gguf can be "
                    "chosen; without a choice its model is taken",
                    file->name);
      }
      return gguf_selection(repository, *file);
    }
    const std::string type = ascii_lower(choice);
    for (const RepoFile* file : ggufs) {
      if (has_word(ascii_lower(file->name), type) && part_number(file->name) <= 1) {
        return gguf_selection(repository, *file);
      }
    }
    const bool is_type =
        std::find(known_types.begin(), known_types.end(), type) != known_types.end();
    if (is_type && has_safetensors(repository)) {
      TRY(FileSelection selection, folder_selection(repository));
      selection.type = type;
      return selection;
    }
    std::vector<std::string> names = ggufs.empty() ? known_types : std::vector<std::string>();
    std::string list;
    for (const RepoFile* file : ggufs) {
      names.push_back(file->name);
      list += (list.empty() ? "" : ", ") + file->name;
    }
    const auto near = suggest(choice, names);
    return fail(ErrorKind::not_found, "{} has no file and no type '{}'{}{}", repository.repo,
                choice, near ? fmt::format("; did you mean '{}'?", *near) : "",
                list.empty() ? "" : "; there are " + list);
  }
  if (has_safetensors(repository)) return folder_selection(repository);
  if (ggufs.empty()) return no_weights(repository);
  for (const char* type : kPreferred) {
    for (const RepoFile* file : ggufs) {
      if (has_word(ascii_lower(file->name), type) && part_number(file->name) <= 1) {
        return gguf_selection(repository, *file);
      }
    }
  }
  const RepoFile* only = nullptr;
  std::string list;
  for (const RepoFile* file : ggufs) {
    if (part_number(file->name) > 1) continue;
    list += (list.empty() ? "" : ", ") + file->name;
    only = only ? nullptr : file;
  }
  if (ggufs.size() == 1 || (only && list == only->name))
    return gguf_selection(repository, *ggufs[0]);
  return fail(ErrorKind::invalid_argument,
              "{} has several GGUF files: choose one, as in {}:{}; "
              "there are {}",
              repository.repo, repository.repo, ggufs[0]->name, list);
}

}  // namespace jiang
