#include "hub/hub_settings.h"

#include <cstdlib>

#include "base/ascii.h"
#include "base/file.h"

namespace jiang {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Result<std::string> checked_endpoint(std::string text, std::string_view name) {
  while (!text.empty() && text.back() == '/') text.pop_back();
  const bool is_url = text.rfind("https://", 0) == 0 || text.rfind("http://", 0) == 0;
  if (!is_url || text.find_first_of(" ?#\r\n") != std::string::npos) {
    return fail(ErrorKind::invalid_argument,
                "{} is '{}', which is not the URL of a server (https://host)", name, text);
  }
  return text;
}

std::string huggingface_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (auto token = std::string(trim_ascii(variable(name))); !token.empty()) return token;
  }
  std::string path = variable("HF_TOKEN_PATH");
  if (path.empty()) {
    std::string home = variable("HF_HOME");
    if (home.empty() && !variable("HOME").empty()) home = variable("HOME") + "/.cache/huggingface";
    if (home.empty()) return "";
    path = home + "/token";
  }
  const auto text = read_file(path, 4096);
  return std::string(text ? trim_ascii(*text) : "");
}

bool locale_is_chinese() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    if (const std::string value = variable(name); !value.empty()) return value.rfind("zh", 0) == 0;
  }
  return false;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> HubSettings::headers(Hub hub) const {
  std::vector<std::pair<std::string, std::string>> headers;
  if (hub == Hub::huggingface && !huggingface_token.empty()) {
    headers.emplace_back("Authorization", "Bearer " + huggingface_token);
  }
  if (hub == Hub::modelscope && !modelscope_token.empty()) {
    // Its API takes the one, its file server the other.
    headers.emplace_back("Authorization", "Bearer " + modelscope_token);
    headers.emplace_back("Cookie", "m_session_id=" + modelscope_token);
  }
  return headers;
}

const std::string& HubSettings::endpoint(Hub hub) const {
  return hub == Hub::modelscope ? modelscope : huggingface;
}

Result<HubSettings> hub_settings_from_environment() {
  HubSettings settings;
  if (locale_is_chinese()) settings.first = Hub::modelscope;
  if (const std::string url = variable("HF_ENDPOINT"); !url.empty()) {
    TRY(settings.huggingface, checked_endpoint(url, "HF_ENDPOINT"));
  }
  if (const std::string url = variable("MODELSCOPE_ENDPOINT"); !url.empty()) {
    TRY(settings.modelscope, checked_endpoint(url, "MODELSCOPE_ENDPOINT"));
  } else if (const std::string host = variable("MODELSCOPE_DOMAIN"); !host.empty()) {
    TRY(settings.modelscope, checked_endpoint("https://" + host, "MODELSCOPE_DOMAIN"));
  }
  if (const std::string mirror = variable("JIANG_MIRROR"); !mirror.empty()) {
    if (mirror == "ms" || mirror == "modelscope") {
      settings.first = Hub::modelscope;
    } else if (mirror == "hf" || mirror == "huggingface") {
      settings.first = Hub::huggingface;
    } else {
      TRY(settings.modelscope, checked_endpoint(mirror, "JIANG_MIRROR (ms, hf, or a URL)"));
      settings.huggingface = settings.modelscope;
    }
  }
  settings.huggingface_token = huggingface_token();
  const std::string modelscope = variable("MODELSCOPE_API_TOKEN");
  settings.modelscope_token = trim_ascii(modelscope);
  return settings;
}

}  // namespace jiang
