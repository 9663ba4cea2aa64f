# jiang_web(TARGET): gives TARGET the embedded files of web/ (server/web_assets.h), or none of them
# with -DJIANG_WEB=OFF. Building the page needs npm; a change in web/ builds it again.
function(jiang_web target)
  set(generated ${PROJECT_BINARY_DIR}/web_assets.cpp)
  if(JIANG_WEB)
    file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/src/* ${PROJECT_SOURCE_DIR}/web/public/*)
    list(FILTER inputs EXCLUDE REGEX "\\.test\\.ts$")
    add_custom_command(
      OUTPUT ${generated}
      COMMAND ${PROJECT_SOURCE_DIR}/tools/build_web.sh ${generated}
      DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/web/index.html ${PROJECT_SOURCE_DIR}/web/package-lock.json
              ${PROJECT_SOURCE_DIR}/web/vite.config.ts ${PROJECT_SOURCE_DIR}/web/embed.mjs
              ${PROJECT_SOURCE_DIR}/tools/build_web.sh ${PROJECT_SOURCE_DIR}/tools/node.sh
      COMMENT "Building the web page" VERBATIM)
    # String literals longer than the standard's minimum are what this file consists of.
    set_source_files_properties(${generated} PROPERTIES COMPILE_OPTIONS "-Wno-overlength-strings")
  else()
    set(none "#include \"server/web_assets.h\"\n\nnamespace jiang {\nstd::span<const WebAsset> web_assets() { return {}; }\n}  // namespace jiang\n")
    file(GENERATE OUTPUT ${generated} CONTENT "${none}")
  endif()
  # A library of its own: the page is built beside the rest, not after it.
  add_library(jiang_web_assets STATIC ${generated})
  target_include_directories(jiang_web_assets PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC jiang_web_assets)
endfunction()
