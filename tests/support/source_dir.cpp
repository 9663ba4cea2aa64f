// The only file that is compiled with the folder's path: all others give the same object in every
// checkout, so that ccache can share them.
#include "tests/support/test_data.h"

namespace jiang {

const char* source_dir() { return JIANG_SOURCE_DIR; }

}  // namespace jiang
