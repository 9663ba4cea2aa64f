// node peer_llama.mjs MODEL.gguf PREFILL DECODE THREADS: speed of llama.cpp (npm node-llama-cpp), one
// JSON line in the shape of `jiang bench --json`. PEERS_MODULES names the node_modules folder.
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const [model_path, prefill, decode, threads] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const {getLlama} = await import(pathToFileURL(join(process.env.PEERS_MODULES, "node-llama-cpp/dist/index.js")).href);
const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: threads, progressLogs: false});
const model = await llama.loadModel({modelPath: model_path, gpuLayers: 0, useMmap: true});
const context = await model.createContext({contextSize: prefill + decode + 16, batchSize: prefill, sequences: 1, threads});
const sequence = context.getSequence();

// Any ids below the special ones do.
const prompt = Array.from({length: prefill}, (_, i) => 100 + (i * 37) % 5000);
const greedy = {generateNext: {token: true, options: {temperature: 0}}};

// The whole prompt, with one row of logits at its end.
async function prefill_seconds() {
  await sequence.clearHistory();
  const start = performance.now();
  const out = await sequence.controlledEvaluate([...prompt.slice(0, -1), [prompt.at(-1), greedy]]);
  return [(performance.now() - start) / 1e3, out.at(-1).next.token];
}

async function decode_seconds(token) {
  await sequence.clearHistory();
  await sequence.controlledEvaluate([prompt[0]]);
  const start = performance.now();
  for (let i = 0; i < decode; ++i) {
    const out = await sequence.controlledEvaluate([[token, greedy]]);
    token = out.at(-1).next.token ?? prompt[i % prefill];
  }
  return (performance.now() - start) / 1e3;
}

await prefill_seconds();
const [seconds, token] = await prefill_seconds();
await decode_seconds(token ?? prompt[0]);
const per_decode = await decode_seconds(token ?? prompt[0]);
console.log(JSON.stringify({
  model: model_path, threads, system: llama.systemInfo?.trim(),
  prefill: {tokens: prefill, tokens_per_second: prefill / seconds},
  decode: {tokens: decode, tokens_per_second: decode / per_decode},
}));
await llama.dispose();
process.exit(0);
