#!/usr/bin/env bash
# check_isa_objects.sh BUILD_DIR: what must hold for the objects of src/kernels/<isa>/.
#
# 1. No weak symbols: an inline function shared with the rest of the program could be linked from
#    here, with instructions that the CPU may lack (docs/architecture.md, ISA isolation).
# 2. The hot kernels keep their sums in registers: no vector register moves to or from the stack.
set -euo pipefail
build=$1
objects=$build/CMakeFiles/jiang_kernels.dir/src/kernels
bad=0

for object in "$objects"/{avx2,avx512,avx512vnni,avx512bf16,amx}/*.o; do
  weak=$(nm --defined-only "$object" | awk '$2 ~ /^[VvWwu]$/ {print $3}' | c++filt)
  if [ -n "$weak" ]; then
    echo "$object: weak symbols; make these static:"; echo "$weak" | head -5; bad=1
  fi
done

# Packed kinds by number: q4_0 3, q4_k 7, q6_k 9, q8_0 10; and the float kernels.
hot_integer='multiply_tokens<\(jiang::kernels::Packed\)(3|7|9|10), [0-9]+>'
hot_float='multiply_tokens<\(jiang::kernels::Packed\)[0-2], [0-9]+, [0-9]+>'
hot_tiles='multiply_tile<\(jiang::kernels::Packed\)(3|7|9|10)>'
stack_moves() {  # OBJECT PATTERN: "kernel: count" for each matching kernel that touches the stack with a zmm
  objdump -d --no-show-raw-insn -C "$1" | awk -v pattern="$2" '
    /^[0-9a-f]+ <.*>:$/ { name = ""; if ($0 ~ pattern) { match($0, pattern); name = substr($0, RSTART, RLENGTH); seen++ } }
    name && /%zmm/ && /\(%r[sb]p/ { count[name]++ }
    END { if (!seen) print "no function matches " pattern; for (n in count) print n ": " count[n] " moves between zmm and stack" }'
}
for check in "avx512vnni/matmul.cpp.o $hot_integer" "avx512/matmul_float.cpp.o $hot_float" \
    "amx/matmul.cpp.o $hot_tiles"; do
  found=$(stack_moves "$objects/${check%% *}" "${check#* }")
  if [ -n "$found" ]; then echo "${check%% *}:"; echo "$found"; bad=1; fi
done
[ "$bad" = 0 ] && echo "ISA objects: ok"
exit "$bad"
