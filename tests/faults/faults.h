// Lets the n-th allocation or the n-th start of a thread fail, in this program alone: operator new
// and pthread_create are replaced (faults.cpp).
//
// Allocations of 256 bytes and more count: malloc has smaller ones at hand when memory runs out,
// and nlohmann::json ends the program where one of its small ones fails (its destructor allocates,
// and constructors that allocate are noexcept). What libraries in C take from malloc is not
// counted.
#pragma once

#include <cstdint>

namespace jiang {

enum class Fault : uint8_t { allocation, thread };

// From now on the n-th fails, once, on whatever thread it happens.
void fail_the(int64_t n, Fault fault);
// Nothing fails any more. True: something has.
bool end_of_faults();

// The calling thread's allocations are not counted: the test's own.
struct Spared {
  Spared();
  ~Spared();
  Spared(const Spared&) = delete;
  Spared& operator=(const Spared&) = delete;
};

}  // namespace jiang
