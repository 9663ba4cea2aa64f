// A process that holds llama.cpp: reads one JSON request a line, writes one JSON answer a line.
// Apart from its parent, because llama.cpp aborts the process for many a file that it dislikes.
import {createInterface} from "node:readline";
import {pathToFileURL} from "node:url";
import {join} from "node:path";

const {getLlama} = await import(pathToFileURL(join(process.env.PEERS_MODULES, "node-llama-cpp/dist/index.js")).href);
const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: 2, progressLogs: false});

let loaded = {};

async function load(path, vocabOnly) {
  if (loaded.path === path && loaded.vocabOnly === vocabOnly) return loaded.model;
  await loaded.model?.dispose();
  loaded = {};
  const model = await llama.loadModel({modelPath: path, gpuLayers: 0, vocabOnly, useMmap: true});
  loaded = {path, vocabOnly, model};
  return model;
}

// Raw logits of every position, f32 cache: base64 of (positions, vocabulary) floats.
// n_prompt > 0: as people run it, with an f16 cache and flash attention, the prompt at once and then
// token by token; from the last token of the prompt on.
async function logits({model: path, ids, n_prompt}) {
  const model = await load(path, false);
  const context = await model.createContext({
    contextSize: Math.max(64, ids.length + 8), batchSize: Math.max(64, ids.length), sequences: 1, threads: 2,
    flashAttention: n_prompt > 0, experimentalKvCacheKeyType: n_prompt > 0 ? "F16" : "F32",
    experimentalKvCacheValueType: n_prompt > 0 ? "F16" : "F32",
  });
  try {
    const wanted = {generateNext: {logits: true}};
    const sequence = context.getSequence();
    let output = [];
    if (n_prompt > 0) {
      const prompt = ids.slice(0, n_prompt);
      output.push((await sequence.controlledEvaluate(prompt.map((id, i) => (i + 1 < n_prompt ? id : [id, wanted])))).at(-1));
      for (const id of ids.slice(n_prompt)) output.push((await sequence.controlledEvaluate([[id, wanted]]))[0]);
    } else {
      output = await sequence.controlledEvaluate(ids.map((id) => [id, wanted]));
    }
    const vocabulary = output[0].next.logits.size;
    const rows = new Float32Array(output.length * vocabulary);
    output.forEach((position, i) => {
      for (const [id, logit] of position.next.logits) rows[i * vocabulary + id] = logit;
    });
    return {vocabulary, logits: Buffer.from(rows.buffer).toString("base64")};
  } finally {
    await context.dispose();
  }
}

async function tokenize({model: path, texts, specials}) {
  const model = await load(path, true);
  return {ids: texts.map((text) => (text === "" ? [] : model.tokenize(text, specials)))};
}

async function embed({model: path, text}) {
  const model = await load(path, false);
  const context = await model.createEmbeddingContext({contextSize: 64, threads: 2});
  try {
    return {vector: [...(await context.getEmbeddingFor(text)).vector]};
  } finally {
    await context.dispose();
  }
}

async function metadata({model: path}) {
  const model = await load(path, true);
  const {general, tokenizer} = model.fileInfo.metadata;
  return {architecture: general.architecture, fileType: general.file_type ?? null,
          template: tokenizer?.chat_template ?? null, bos: model.tokens.bosString, eos: model.tokens.eosString,
          bos_id: model.tokens.shouldPrependBosToken ? model.tokens.bos : null};
}

const commands = {logits, tokenize, embed, metadata};
for await (const line of createInterface({input: process.stdin})) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await commands[request.command](request);
  } catch (error) {
    answer = {error: String(error?.message ?? error)};
  }
  process.stdout.write(JSON.stringify({llama: answer}) + "\n");
}
