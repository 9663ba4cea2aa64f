#include "agent/tool.h"

namespace jiang {

// One line per file of this folder.
extern const Tool kRunC;
extern const Tool kRunPython;
extern const Tool kWebFetch;
extern const Tool kWebSearch;

std::span<const Tool> tools() {
  static const Tool kTools[] = {
      kRunC,
      kRunPython,
      kWebFetch,
      kWebSearch,
  };
  return kTools;
}

const Tool* find_tool(std::string_view name) {
  for (const Tool& tool : tools()) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

}  // namespace jiang
