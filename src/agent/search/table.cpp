#include "agent/search.h"

namespace jiang {

// One line per file of this folder.
extern const SearchProvider kSearxng;
extern const SearchProvider kBing;
extern const SearchProvider kBrave;
extern const SearchProvider kTavily;
extern const SearchProvider kBocha;
extern const SearchProvider kZhipu;

std::span<const SearchProvider> search_providers() {
  static const SearchProvider kProviders[] = {
      kSearxng,  //
      kBing,     //
      kBrave,    //
      kTavily,   //
      kBocha,    //
      kZhipu,    //
  };
  return kProviders;
}

const SearchProvider* find_search_provider(std::string_view name) {
  for (const SearchProvider& provider : search_providers()) {
    if (provider.name == name) return &provider;
  }
  return nullptr;
}

}  // namespace jiang
