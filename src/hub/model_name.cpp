#include "hub/model_name.h"

#include "hub/file_name.h"

namespace jiang {
namespace {

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-' || c == '+';
}

bool is_word(std::string_view text) {
  if (text.empty() || text.size() > 128 || text.front() == '-' ||
      text.find_first_not_of('.') == std::string_view::npos) {
    return false;
  }
  for (const char c : text) {
    if (!is_word_char(c)) return false;
  }
  return true;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

Error not_a_name(std::string_view text, std::string_view why) {
  return fail(ErrorKind::invalid_argument,
              "'{}' is not a model's name: {}; examples: qwen2:1.5b, ms:org/model, "
              "hf:org/model@revision:q4_k_m, https://host/model.gguf",
              text.substr(0, 200), why);
}

Result<ModelName> parse_url(std::string_view text) {
  ModelName name;
  name.hub = Hub::url;
  name.url = std::string(text);
  const std::string_view path = text.substr(0, text.find_first_of("?#"));
  const std::string_view file = path.substr(path.rfind('/') + 1);
  if (file.size() <= 5 || file.substr(file.size() - 5) != ".gguf") {
    return not_a_name(text, "of URLs only those of a .gguf file can be fetched");
  }
  TRY_STATUS(check_file_name(file));
  name.short_name = std::string(file.substr(0, file.size() - 5));
  TRY_STATUS(check_store_name(name.short_name));
  return name;
}

}  // namespace

std::string_view hub_name(Hub hub) {
  switch (hub) {
    case Hub::modelscope:
      return "ModelScope";
    case Hub::huggingface:
      return "Hugging Face";
    case Hub::url:
      return "a URL";
    case Hub::any:
      break;
  }
  return "a hub";
}

std::string_view hub_prefix(Hub hub) {
  switch (hub) {
    case Hub::modelscope:
      return "ms";
    case Hub::huggingface:
      return "hf";
    case Hub::url:
      return "url";
    case Hub::any:
      break;
  }
  return "";
}

std::string ModelName::store_name() const {
  if (repo.empty()) return short_name;
  return repo + (revision.empty() ? "" : "@" + revision) + (choice.empty() ? "" : ":" + choice);
}

Result<ModelName> parse_model_name(std::string_view text) {
  if (text.rfind("https://", 0) == 0 || text.rfind("http://", 0) == 0) return parse_url(text);
  ModelName name;
  std::string_view rest = text;
  if (take_prefix(rest, "ms:") || take_prefix(rest, "modelscope:")) {
    name.hub = Hub::modelscope;
  } else if (take_prefix(rest, "hf:") || take_prefix(rest, "huggingface:") ||
             take_prefix(rest, "hf.co/")) {
    name.hub = Hub::huggingface;
  }
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) {
    if (name.hub != Hub::any) return not_a_name(text, "a hub's model is org/model");
    TRY_STATUS(check_store_name(rest));
    name.short_name = std::string(rest);
    return name;
  }
  // org/model[@revision][:choice]; a choice may be a file in a folder.
  const size_t colon = rest.find(':', slash);
  if (colon != std::string_view::npos) {
    name.choice = std::string(rest.substr(colon + 1));
    if (name.choice.empty()) return not_a_name(text, "nothing follows the ':'");
    if (!check_file_name(name.choice)) return not_a_name(text, "after ':' comes a file or a type");
    rest = rest.substr(0, colon);
  }
  const size_t at = rest.find('@', slash);
  if (at != std::string_view::npos) {
    name.revision = std::string(rest.substr(at + 1));
    if (!check_file_name(name.revision)) return not_a_name(text, "after '@' comes a revision");
    rest = rest.substr(0, at);
  }
  const std::string_view org = rest.substr(0, slash), model = rest.substr(slash + 1);
  if (!is_word(org) || !is_word(model)) {
    return not_a_name(text, "a hub's model is org/model, of letters, digits, '.', '_' and '-'");
  }
  name.repo = std::string(rest);
  TRY_STATUS(check_store_name(name.store_name()));
  return name;
}

Status check_store_name(std::string_view name) {
  bool is_good = !name.empty() && name.size() <= 200 && name.front() != '-' && name.front() != '.';
  char before = '/';
  for (const char c : name) {
    const bool is_border = c == '/' || c == ':' || c == '@';
    if (!is_word_char(c) && !is_border) is_good = false;
    const bool was_border = before == '/' || before == ':' || before == '@';
    if (was_border && (is_border || c == '.' || c == '-')) is_good = false;
    before = c;
  }
  if (before == '/' || before == ':' || before == '@') is_good = false;
  if (is_good) return ok();
  return not_a_name(
      name,
      "a name has letters, digits, '.', '_', '-' and '+', in parts with ':', '@' or '/' between");
}

}  // namespace jiang
