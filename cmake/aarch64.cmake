# Cross-compiling for aarch64 on an x86-64 machine: Debian's g++-aarch64-linux-gnu, and libraries
# that tools/test_aarch64.sh unpacks into JIANG_SYSROOT. Programs run under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)

set(JIANG_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/aarch64/sysroot)
get_filename_component(JIANG_SYSROOT ${JIANG_SYSROOT} ABSOLUTE)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH ${JIANG_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${JIANG_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${JIANG_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${JIANG_SYSROOT}/usr/share/pkgconfig)
