// Real tokenizers in Hugging Face folders around tiny random weights, so that jiang can convert them
// and llama.cpp can load the result.
import {closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync} from "node:fs";
import {join} from "node:path";

const kHidden = 32;
const kFfn = 64;

export const realTokenizers = [
  {name: "qwen2-0.5b", modelType: "qwen2", vocabulary: 151936, files: ["vocab.json", "merges.txt", "tokenizer_config.json", "generation_config.json"]},
  {name: "llama-3-8b", modelType: "llama", vocabulary: 128256, files: ["tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"]},
  {name: "llama-2-7b", modelType: "llama", vocabulary: 32000, files: ["tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]},
  {name: "smollm", modelType: "llama", vocabulary: 49152, files: ["tokenizer.json"]},
  {name: "mistral", modelType: "mistral", vocabulary: 32768, files: ["mistral_instruct_tokenizer_240323.model.v3"], as: ["tokenizer.model"]},
];

function config({modelType, vocabulary}) {
  const architecture = {qwen2: "Qwen2ForCausalLM", llama: "LlamaForCausalLM", mistral: "MistralForCausalLM"}[modelType];
  return {
    architectures: [architecture], model_type: modelType, torch_dtype: "float32", vocab_size: vocabulary, hidden_size: kHidden,
    intermediate_size: kFfn, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1,
    max_position_embeddings: 2048, rms_norm_eps: 1e-6, rope_theta: 10000, hidden_act: "silu", tie_word_embeddings: true,
  };
}

function tensors({modelType, vocabulary}) {
  const layer = "model.layers.0.";
  const shapes = {
    "model.embed_tokens.weight": [vocabulary, kHidden], "model.norm.weight": [kHidden],
    [`${layer}input_layernorm.weight`]: [kHidden], [`${layer}post_attention_layernorm.weight`]: [kHidden],
    [`${layer}mlp.gate_proj.weight`]: [kFfn, kHidden], [`${layer}mlp.up_proj.weight`]: [kFfn, kHidden],
    [`${layer}mlp.down_proj.weight`]: [kHidden, kFfn],
  };
  for (const part of ["q", "k", "v", "o"]) shapes[`${layer}self_attn.${part}_proj.weight`] = [kHidden, kHidden];
  if (modelType === "qwen2") for (const part of ["q", "k", "v"]) shapes[`${layer}self_attn.${part}_proj.bias`] = [kHidden];
  return shapes;
}

function writeSafetensors(path, shapes) {
  const header = {};
  let offset = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = {dtype: "F32", shape, data_offsets: [offset, offset + bytes]};
    offset += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, "w");
  writeSync(file, length);
  writeSync(file, text);
  let state = 1;
  for (const shape of Object.values(shapes)) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; ++i) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      values[i] = shape.length === 1 ? 1 : (state / 2 ** 32 - 0.5) * 0.2;
    }
    writeSync(file, new Uint8Array(values.buffer));
  }
  closeSync(file);
}

// The folder, or null where the tokenizer is not among the test data.
export function makeFolder(row, tokenizers, scratch) {
  const source = join(tokenizers, row.name);
  if (!row.files.every((file) => existsSync(join(source, file)))) return null;
  const folder = join(scratch, `folder-${row.name}`);
  rmSync(folder, {recursive: true, force: true});
  mkdirSync(folder, {recursive: true});
  row.files.forEach((file, i) => copyFileSync(join(source, file), join(folder, row.as?.[i] ?? file)));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config(row)));
  writeSafetensors(join(folder, "model.safetensors"), tensors(row));
  return folder;
}

export function vocabularyTexts(tokenizers) {
  const file = join(tokenizers, "ggml-vocab/ggml-vocab-gpt-2.gguf.inp");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n__ggml_vocab_test__\n") : [];
}
