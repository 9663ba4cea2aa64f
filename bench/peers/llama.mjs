// llama.cpp (npm node-llama-cpp) as bench/peers/measure.py asks it: one JSON request a line, one JSON
// answer a line. PEERS_MODULES names the node_modules folder.
//
//   {"command": "open", "model": PATH, "threads": N}  -> {"system": llama.cpp's line about the CPU}
//   {"command": "measure", "prefill": N, "decode": N, "depth": N, "sequences": N, "flash": BOOL}
//     -> {"prefill": {...}, "decode": {...}}, each {"tokens_per_second", "wall_tokens_per_second",
//        "decodes", "tokens_per_decode"}
//
// tokens_per_second counts the time within llama_decode() alone: sampling and node's own work are not
// held against llama.cpp (wall_tokens_per_second has them). Every llama_decode() is counted, so that
// the answer shows how many tokens went into each.
import {createInterface} from "node:readline";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const {getLlama} = await import(pathToFileURL(join(process.env.PEERS_MODULES, "node-llama-cpp/dist/index.js")).href);

// Rows of one llama_decode() of a prompt: llama.cpp's own default for its physical batch.
const kRows = 512;
const kGreedy = {generateNext: {token: true, options: {temperature: 0}}};
let llama, model, threads;

async function open({model: path, threads: wanted}) {
  threads = wanted;
  llama ??= await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: threads, progressLogs: false});
  await model?.dispose();
  model = await llama.loadModel({modelPath: path, gpuLayers: 0, useMmap: true});
  return {system: llama.systemInfo?.trim()};
}

// Counts the calls of llama_decode(), their tokens, and the time within.
function watch(context) {
  const inner = context._ctx;
  const seen = {decodes: 0, tokens: 0, seconds: 0, reset() { this.decodes = this.tokens = this.seconds = 0; }};
  for (const name of ["addToBatch", "decodeBatch"]) {
    if (typeof inner?.[name] !== "function") throw new Error(`this node-llama-cpp has no ${name}(): bench/peers counts by it`);
  }
  const counted = {
    addToBatch(sequence, first, tokens, logits) {
      seen.tokens += tokens.length;
      return inner.addToBatch(sequence, first, tokens, logits);
    },
    async decodeBatch() {
      const start = performance.now();
      await inner.decodeBatch();
      seen.seconds += (performance.now() - start) / 1e3;
      ++seen.decodes;
    },
  };
  // The native object's methods cannot be replaced: something stands before it.
  context._ctx = new Proxy(inner, {
    get: (target, name) => counted[name] ?? (typeof target[name] === "function" ? target[name].bind(target) : target[name]),
  });
  return seen;
}

async function timed(seen, tokens, work) {
  seen.reset();
  const start = performance.now();
  await work();
  const wall = (performance.now() - start) / 1e3;
  if (seen.tokens !== tokens) throw new Error(`llama_decode() got ${seen.tokens} tokens where ${tokens} were meant`);
  return {tokens_per_second: tokens / seen.seconds, wall_tokens_per_second: tokens / wall,
          decodes: seen.decodes, tokens_per_decode: tokens / seen.decodes};
}

// Ids below the special ones, another prompt for another salt.
const prompt = (n, salt) => Array.from({length: n}, (_, i) => 100 + ((i + salt) * 37) % 400);

// The prompt, with one row of logits at its end; the token that follows.
async function feed(sequence, ids) {
  const out = await sequence.controlledEvaluate([...ids.slice(0, -1), [ids.at(-1), kGreedy]]);
  return out.at(-1).next.token ?? ids[0];
}

async function measure({prefill = 0, decode = 0, depth = 1, sequences: n = 1, flash}) {
  const context = await model.createContext({
    contextSize: Math.max(prefill, depth + decode) + 64, batchSize: Math.max(kRows, n), sequences: n, threads, flashAttention: flash,
  });
  try {
    const seen = watch(context);
    const sequences = Array.from({length: n}, () => context.getSequence());
    const answer = {flash};
    await feed(sequences[0], prompt(64, 1));  // pages and caches become warm
    await sequences[0].clearHistory();
    let last;
    if (prefill > 0) {
      answer.prefill = await timed(seen, prefill, async () => { last = await feed(sequences[0], prompt(prefill, 2)); });
    }
    if (decode > 0) {
      const tokens = [];
      for (const [i, sequence] of sequences.entries()) {
        if (i === 0 && prefill === depth) { tokens.push(last); continue; }
        await sequence.clearHistory();
        tokens.push(await feed(sequence, prompt(depth, 3 + i)));
      }
      answer.decode = await timed(seen, n * decode, async () => {
        for (let step = 0; step < decode; ++step) {
          // All at once: the context puts what is asked for in one turn of the event loop into one batch.
          const outs = await Promise.all(sequences.map((sequence, i) => sequence.controlledEvaluate([[tokens[i], kGreedy]])));
          outs.forEach((out, i) => (tokens[i] = out.at(-1).next.token ?? tokens[i]));
        }
      });
    }
    return answer;
  } finally {
    await context.dispose();
    globalThis.gc?.();  // each sampler holds a list of the whole vocabulary until then
  }
}

const commands = {open, measure};
for await (const line of createInterface({input: process.stdin})) {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = await commands[request.command](request);
  } catch (error) {
    answer = {error: String(error?.message ?? error)};
  }
  process.stdout.write("llama " + JSON.stringify(answer) + "\n");  // llama.cpp prints to stdout, too
}
process.exit(0);
