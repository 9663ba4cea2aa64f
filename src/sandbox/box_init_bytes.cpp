#include "sandbox/box_init_bytes.h"

asm(".section .rodata\n"
    ".balign 16\n"
    "jiang_box_init_begin:\n"
    ".incbin \"" JIANG_BOX_INIT
    "\"\n"
    "jiang_box_init_end:\n"
    ".previous\n");

extern "C" {
extern const std::byte jiang_box_init_begin[];
extern const std::byte jiang_box_init_end[];
}

namespace jiang {

std::span<const std::byte> box_init_program() { return {jiang_box_init_begin, jiang_box_init_end}; }

}  // namespace jiang
