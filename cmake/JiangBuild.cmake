# Compiler settings and third-party packages, in one place.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
if(JIANG_SANITIZE AND NOT JIANG_FUZZ)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-Og -g1")
endif()

# Several files of a library are compiled as one (unity), with precompiled headers: docs/decisions/0004.
# -DJIANG_JOIN=OFF compiles each file alone, which editing wants; `./test --alone` checks that it can be.
option(JIANG_JOIN "compile several files as one, with precompiled headers" ON)
if(JIANG_JOIN)
  set(JIANG_PRECOMPILE ON)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  # What ccache asks for where headers are precompiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()
find_program(MOLD mold)
if(MOLD AND NOT CMAKE_CROSSCOMPILING)
  add_link_options(-fuse-ld=mold)
endif()

# No -march here: the program is built for the baseline of its architecture, and only the files
# in src/kernels/<isa>/ get that level's flags. No -ffast-math anywhere: results must not depend
# on what the compiler feels like. -ffp-contract=off for the same reason (fma is written out).
add_compile_options(-Wall -Wextra -ffp-contract=off $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>)
if(JIANG_WERROR)
  add_compile_options(-Werror)
endif()
# What g++ 12 finds by following values is often wrong inside the standard library (GCC bug 105651),
# and is not kept back there when it is precompiled or instrumented: shown, but no error. All of it is
# an error where files are compiled alone, and whatever the language itself warns of is one everywhere.
if((JIANG_SANITIZE OR JIANG_PRECOMPILE) AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  foreach(warning array-bounds dangling-pointer free-nonheap-object maybe-uninitialized nonnull restrict
                  stringop-overflow stringop-overread uninitialized use-after-free)
    add_compile_options(-Wno-error=${warning})
  endforeach()
endif()
if(JIANG_SANITIZE)
  add_compile_options(-fsanitize=${JIANG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # g++ takes a third as long without the four checks that look at every pointer. The address
  # sanitizer sees their worst; the fuzz preset (clang) has all of them.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND JIANG_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize=null,alignment,object-size,vptr)
  endif()
  # Asio's fences are beside locks that ThreadSanitizer does see.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND JIANG_SANITIZE MATCHES thread)
    add_compile_options(-Wno-tsan)
  endif()
  add_link_options(-fsanitize=${JIANG_SANITIZE})
endif()
if(JIANG_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  set(JIANG_TESTS ON)
endif()
if(JIANG_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()

find_package(Threads REQUIRED)
find_package(fmt 8 REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(gumbo REQUIRED IMPORTED_TARGET gumbo)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
find_package(Boost 1.74 REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 3.37 REQUIRED)
find_package(tomlplusplus REQUIRED)
if(JIANG_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  enable_testing()
endif()
