// exp and tanh over a vector. Included by the ISA folders after their simd.h.
#pragma once

namespace jiang::kernels {
namespace {

// e^x to 2 ulp: x = n ln2 + r with |r| <= ln2 / 2, a degree-6 polynomial (Taylor; its error there
// is below 2^-24), times 2^n. Saturates to 0 below -103 and to +inf above 88.8; NaN stays NaN.
inline F exp_of(F x) {
  x = max_keep_nan(set1(-104.0f), min_keep_nan(set1(89.0f), x));
  const F n = round_nearest(mul(x, set1(1.44269504f)));
  F r = fnma(n, set1(0.693145752f), x);  // ln2 in two parts: the first has 11 trailing zero bits
  r = fnma(n, set1(1.42860677e-6f), r);
  F p = set1(1.0f / 720);
  p = fma(p, r, set1(1.0f / 120));
  p = fma(p, r, set1(1.0f / 24));
  p = fma(p, r, set1(1.0f / 6));
  p = fma(p, r, set1(0.5f));
  p = fma(p, r, set1(1.0f));
  p = fma(p, r, set1(1.0f));
  return scale_by_power(p, n);
}

// tanh x = 1 - 2 / (e^2x + 1). Near zero that loses relative, not absolute precision (2^-24).
inline F tanh_of(F x) {
  return sub(set1(1.0f), div(set1(2.0f), add(exp_of(add(x, x)), set1(1.0f))));
}

}  // namespace
}  // namespace jiang::kernels
