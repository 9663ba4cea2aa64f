#!/usr/bin/env bash
# tests/fuzz/run.sh BUILD_DIR SECONDS: every fuzzer for SECONDS, one per core. What it finds is
# written beside the build; move it into tests/fuzz/corpus/ together with the fix.
set -u
cd "$(dirname "$0")/../.."
build=$1; seconds=$2
cores=$(nproc)
run_one() {
  fuzzer=$1; subject=$(basename "$fuzzer" _fuzzer)
  mkdir -p "$build/fuzz-corpus/$subject" "$build/fuzz-found"
  if "$fuzzer" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -artifact_prefix="$build/fuzz-found/$subject-" \
      "$build/fuzz-corpus/$subject" "tests/fuzz/corpus/$subject" >"$build/fuzz-$subject.log" 2>&1; then
    echo "$subject: clean, $(grep -oE 'Done [0-9]+ runs' "$build/fuzz-$subject.log" | tail -1)"
  else
    echo "$subject: FOUND SOMETHING, see $build/fuzz-$subject.log"; return 1
  fi
}
export -f run_one; export build seconds
shopt -s nullglob
fuzzers=("$build"/tests/*_fuzzer)
[ ${#fuzzers[@]} -gt 0 ] || { echo "no fuzzers under $build/tests; ./test --fuzz builds them"; exit 1; }
printf '%s\n' "${fuzzers[@]}" | xargs -P "$cores" -I{} bash -c 'run_one {}'
