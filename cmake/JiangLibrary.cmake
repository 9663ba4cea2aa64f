# jiang_library(NAME [EACH_ISA] [DEPS library...] [LINK target...])
#
# Makes the static library jiang::NAME from src/NAME/**.cpp and, from src/NAME/**_test.cpp, the
# test program NAME_test (label "unit"). Adding a file is adding a file: the globs are re-checked
# by every build.
#
# src/NAME/<isa>/*.cpp is compiled with that ISA's flags, nothing else is; on another architecture
# those files are left out. EACH_ISA: ctest runs the tests once for every value of JIANG_ISA.
set(JIANG_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(JIANG_ISA_FLAGS_avxvnni ${JIANG_ISA_FLAGS_avx2} -mavxvnni)
# No more than src/kernels/table.cpp checks for: the compiler may use all of it.
set(JIANG_ISA_FLAGS_avx512 ${JIANG_ISA_FLAGS_avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC bug 105593: its own _mm512_undefined_*() counts as uninitialised.
  list(APPEND JIANG_ISA_FLAGS_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
endif()
set(JIANG_ISA_FLAGS_avx512vnni ${JIANG_ISA_FLAGS_avx512} -mavx512vnni)
set(JIANG_ISA_FLAGS_avx512bf16 ${JIANG_ISA_FLAGS_avx512vnni} -mavx512bf16)  # src/kernels/bf16.cpp checks for it
set(JIANG_ISA_FLAGS_amx ${JIANG_ISA_FLAGS_avx512vnni} -mamx-tile -mamx-int8)
set(JIANG_ISA_LEVELS_x86_64 avx2 avxvnni avx512 avx512vnni avx512bf16 amx)

# What most files include and g++ is slowest to read.
set(JIANG_HOT_HEADERS <algorithm> <filesystem> <functional> <map> <memory> <string> <thread> <vector>
                      ${PROJECT_SOURCE_DIR}/src/base/json_value.h ${PROJECT_SOURCE_DIR}/src/base/result.h)

function(jiang_library name)
  cmake_parse_arguments(ARG "EACH_ISA" "" "DEPS;LINK" ${ARGN})
  set(folder ${PROJECT_SOURCE_DIR}/src/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")

  foreach(isa avx2 avxvnni avx512 avx512vnni avx512bf16 amx)
    file(GLOB isa_sources CONFIGURE_DEPENDS ${folder}/${isa}/*.cpp)
    if(isa IN_LIST JIANG_ISA_LEVELS_${CMAKE_SYSTEM_PROCESSOR})
      set_source_files_properties(${isa_sources} PROPERTIES
        COMPILE_OPTIONS "${JIANG_ISA_FLAGS_${isa}}" SKIP_PRECOMPILE_HEADERS ON)
    elseif(isa_sources)
      list(REMOVE_ITEM sources ${isa_sources})
    endif()
  endforeach()

  # A family's file says everything with the same few names: each is compiled alone.
  file(GLOB rows CONFIGURE_DEPENDS ${folder}/arch/*.cpp)
  list(FILTER rows EXCLUDE REGEX "_test\\.cpp$")
  set_source_files_properties(${rows} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

  if(sources)
    add_library(jiang_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(jiang_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(jiang::${name} ALIAS jiang_${name})
  target_include_directories(jiang_${name} ${scope} ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_DEPS PREPEND jiang::)
  target_link_libraries(jiang_${name} ${scope} ${ARG_DEPS} ${ARG_LINK})
  if(JIANG_PRECOMPILE AND name STREQUAL base)
    target_precompile_headers(jiang_base PRIVATE ${JIANG_HOT_HEADERS})
  elseif(JIANG_PRECOMPILE AND sources AND NOT name STREQUAL kernels)
    target_precompile_headers(jiang_${name} REUSE_FROM jiang_base)
  endif()
  # Each kernel alone, so that no file's flags or names reach another.
  if(sources AND name STREQUAL kernels)
    set_target_properties(jiang_kernels PROPERTIES UNITY_BUILD OFF)
  endif()

  if(JIANG_TESTS AND tests)
    if(ARG_EACH_ISA)
      list(APPEND tests ${PROJECT_SOURCE_DIR}/tests/support/isa_main.cpp)
    endif()
    jiang_test(${name}_test SOURCES ${tests} LINK jiang::${name} LABEL unit)
    if(ARG_EACH_ISA AND JIANG_ISA_LEVELS_${CMAKE_SYSTEM_PROCESSOR})
      foreach(isa scalar avx2 avxvnni avx512)  # the test above ran at the best level
        jiang_test_entry(${name}_test_${isa} ${name}_test LABEL unit ISA ${isa})
      endforeach()
    endif()
  endif()
endfunction()

if(JIANG_TESTS)
  add_library(jiang_test_support STATIC ${PROJECT_SOURCE_DIR}/tests/support/private_network.cpp
                                        ${PROJECT_SOURCE_DIR}/tests/support/source_dir.cpp)
  target_include_directories(jiang_test_support PUBLIC ${PROJECT_SOURCE_DIR})
  # The macro belongs to the file, not the target, so that it is not part of the precompiled header.
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/support/source_dir.cpp
    PROPERTIES COMPILE_DEFINITIONS JIANG_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(JIANG_PRECOMPILE)
    add_library(jiang_test_headers OBJECT ${PROJECT_SOURCE_DIR}/tests/support/source_dir.cpp)
    target_include_directories(jiang_test_headers PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(jiang_test_headers PRIVATE jiang::base GTest::gmock)
    target_precompile_headers(jiang_test_headers PRIVATE ${JIANG_HOT_HEADERS} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

# jiang_test(NAME SOURCES file... LINK target... LABEL label): a GoogleTest program known to ctest.
function(jiang_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE jiang_test_support)
  # kernels stand alone: without the macros of what base uses, the header would not fit.
  if(name STREQUAL kernels_test)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  elseif(JIANG_PRECOMPILE)
    target_precompile_headers(${name} REUSE_FROM jiang_test_headers)
  endif()
  # One ctest entry per program: hundreds of process starts would cost more than the tests.
  jiang_test_entry(${name} ${name} LABEL ${ARG_LABEL})
endfunction()

# jiang_test_entry(NAME PROGRAM LABEL label [ISA level] [FILTER tests]): one run of a GoogleTest
# program; with ISA its main is that of tests/support/isa_main.cpp. Its results go to
# results/NAME.xml: runs of one program at the same time, each left to choose a file name, can choose
# the same one.
function(jiang_test_entry name program)
  cmake_parse_arguments(ARG "" "LABEL;ISA;FILTER" "" ${ARGN})
  set(filter)
  if(ARG_FILTER)
    set(filter "--gtest_filter=${ARG_FILTER}")
  endif()
  add_test(NAME ${name} COMMAND ${program} --gtest_brief=1
                                "--gtest_output=xml:${CMAKE_BINARY_DIR}/results/${name}.xml" ${filter})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} SKIP_RETURN_CODE 77)
  if(ARG_ISA)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT JIANG_ISA=${ARG_ISA})
  endif()
endfunction()
