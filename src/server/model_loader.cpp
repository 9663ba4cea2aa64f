#include "server/model_loader.h"

#include <exception>

namespace jiang {

void ModelLoader::acquire(const std::string& name, std::optional<std::chrono::seconds> keep_alive,
                          Callback callback) {
  if (auto lease = models_.acquire_loaded(name)) {
    if (!keep_alive) return callback(*std::move(lease));
    return callback(models_.acquire(name, keep_alive));  // loaded: this does not wait
  }
  thread_.post([this, name, keep_alive, callback = std::move(callback)] {
    callback([&]() -> Result<ModelLease> {
      try {
        return models_.acquire(name, keep_alive);
      } catch (const std::exception& exception) {  // or nobody would hear of it
        return fail(ErrorKind::too_large, "{} could not be loaded: {}", name, exception.what());
      }
    }());
  });
}

}  // namespace jiang
