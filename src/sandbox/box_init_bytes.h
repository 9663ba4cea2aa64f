// The program of box_init/main.cc, built beside this library and carried in it.
#pragma once

#include <cstddef>
#include <span>

namespace jiang {

std::span<const std::byte> box_init_program();

}  // namespace jiang
