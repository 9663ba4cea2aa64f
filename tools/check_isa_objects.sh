#!/usr/bin/env bash
# check_isa_objects.sh BUILD_DIR: what must hold for the objects of src/kernels/<isa>/.
#
# 1. No weak symbols: an inline function shared with the rest of the program could be linked from
#    here, with instructions that the CPU may lack (docs/architecture.md, ISA isolation).
# 2. The hot kernels keep their sums in registers: no vector register moves to or from the stack. Of
#    avxvnni's 16 registers this holds for whole numbers; the f32 sums that find none stay in L1.
# 3. avx2 and avxvnni hold no EVEX instruction, which begins with byte 62: their CPUs lack AVX-512.
set -euo pipefail
build=$1
objects=$build/CMakeFiles/jiang_kernels.dir/src/kernels
bad=0

for object in "$objects"/{avx2,avxvnni,avx512,avx512vnni,avx512bf16,amx}/*.o; do
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
# OBJECT PATTERN: the same for whole numbers in a ymm, stored between the first dot product of a kernel and the
# last; masks that are stored once, before the loop, are not meant.
integer_spills() {
  objdump -d --no-show-raw-insn -C "$1" | awk -v pattern="$2" '
    /^[0-9a-f]+ <.*>:$/ { name = ""; if ($0 ~ pattern) { match($0, pattern); name = substr($0, RSTART, RLENGTH); seen++; stores = -1 } }
    name && /vpdpbusd/ { dots++; if (stores > 0) count[name] += stores; stores = 0 }
    name && stores >= 0 && /vmovdq[au] +%ymm[0-9]+,.*\(%r[sb]p/ { stores++ }
    END { if (!seen || !dots) print "no dot product in a function that matches " pattern
          for (n in count) print n ": " count[n] " integer moves from ymm to stack" }'
}
found=$(integer_spills "$objects/avxvnni/matmul.cpp.o" "$hot_integer")
if [ -n "$found" ]; then echo "avxvnni/matmul.cpp.o:"; echo "$found"; bad=1; fi

for object in "$objects"/{avx2,avxvnni}/*.o; do
  found=$(objdump -d "$object" | grep -cP '^ *[0-9a-f]+:\t62 [0-9a-f ]+\t' || true)
  if [ "$found" != 0 ]; then echo "$object: $found EVEX instructions"; bad=1; fi
done

for check in "avx512vnni/matmul.cpp.o $hot_integer" "avx512/matmul_float.cpp.o $hot_float" \
    "amx/matmul.cpp.o $hot_tiles"; do
  found=$(stack_moves "$objects/${check%% *}" "${check#* }")
  if [ -n "$found" ]; then echo "${check%% *}:"; echo "$found"; bad=1; fi
done
[ "$bad" = 0 ] && echo "ISA objects: ok"
exit "$bad"
