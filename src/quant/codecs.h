// The functions behind the rows of the format table. Only formats.cpp and tests need this header;
// everybody else goes through WeightFormat (weight_format.h has the contracts).
#pragma once

#include <cstdint>

#include "quant/column_products.h"

namespace jiang {

void dequantize_f32(float* out, const void* in, int64_t n);
void dequantize_f16(float* out, const void* in, int64_t n);
void dequantize_bf16(float* out, const void* in, int64_t n);
void dequantize_q8_0(float* out, const void* blocks, int64_t n);
void dequantize_q4_0(float* out, const void* blocks, int64_t n);
void dequantize_q4_1(float* out, const void* blocks, int64_t n);
void dequantize_q5_0(float* out, const void* blocks, int64_t n);
void dequantize_q5_1(float* out, const void* blocks, int64_t n);
void dequantize_q2_k(float* out, const void* blocks, int64_t n);
void dequantize_q3_k(float* out, const void* blocks, int64_t n);
void dequantize_q4_k(float* out, const void* blocks, int64_t n);
void dequantize_q5_k(float* out, const void* blocks, int64_t n);
void dequantize_q6_k(float* out, const void* blocks, int64_t n);
void dequantize_iq4_nl(float* out, const void* blocks, int64_t n);
void dequantize_iq4_xs(float* out, const void* blocks, int64_t n);
void dequantize_mxfp4(float* out, const void* blocks, int64_t n);

void quantize_f32(void* out, const float* x, int64_t n, const float* importance);
void quantize_f16(void* out, const float* x, int64_t n, const float* importance);
void quantize_bf16(void* out, const float* x, int64_t n, const float* importance);
void quantize_q8_0(void* out, const float* x, int64_t n, const float* importance);
void quantize_q4_0(void* out, const float* x, int64_t n, const float* importance);
void quantize_q4_1(void* out, const float* x, int64_t n, const float* importance);
void quantize_q5_0(void* out, const float* x, int64_t n, const float* importance);
void quantize_q5_1(void* out, const float* x, int64_t n, const float* importance);
void quantize_q2_k(void* out, const float* x, int64_t n, const float* importance);
void quantize_q3_k(void* out, const float* x, int64_t n, const float* importance);
void quantize_q4_k(void* out, const float* x, int64_t n, const float* importance);
void quantize_q5_k(void* out, const float* x, int64_t n, const float* importance);
void quantize_q6_k(void* out, const float* x, int64_t n, const float* importance);
void quantize_iq4_nl(void* out, const float* x, int64_t n, const float* importance);
void quantize_iq4_xs(void* out, const float* x, int64_t n, const float* importance);
void quantize_mxfp4(void* out, const float* x, int64_t n, const float* importance);

void compensate_q4_0(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q4_1(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q5_0(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q5_1(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q2_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q3_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q4_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q5_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_q6_k(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_iq4_nl(void* blocks, const float* x, int64_t n, const ColumnProducts& products);
void compensate_iq4_xs(void* blocks, const float* x, int64_t n, const ColumnProducts& products);

}  // namespace jiang
