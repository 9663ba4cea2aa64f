// What the peer suite and `./test --real` share: both engines as functions, and the comparison of
// decision 23.
import {spawn, spawnSync} from "node:child_process";
import {createInterface} from "node:readline";
import {fileURLToPath} from "node:url";
import {dirname, join, resolve} from "node:path";

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "../..");
export const jiangBinary = process.env.JIANG;
const modules = join(root, "build/peers/node_modules");

// llama.cpp in a process of its own, started again after it has died.
export class Llama {
  #child = null;
  #lines = null;
  #stderr = "";

  async ask(request) {
    if (this.#child === null) this.#start();
    this.#child.stdin.write(JSON.stringify(request) + "\n");
    for (;;) {
      const {value, done} = await this.#lines.next();
      if (done) {
        this.#child = null;
        throw new Error(`llama.cpp died: ${this.#stderr.trim().split("\n").slice(-3).join(" | ")}`);
      }
      if (!value.startsWith('{"llama":')) continue;  // llama.cpp prints to stdout, too
      const answer = JSON.parse(value).llama;
      if (answer.error) throw new Error(`llama.cpp: ${answer.error} ${this.#stderr.trim().split("\n").slice(-2).join(" | ")}`);
      return answer;
    }
  }

  stop() {
    this.#child?.stdin.end();
    this.#child = null;
  }

  #start() {
    this.#stderr = "";
    this.#child = spawn(process.execPath, [join(here, "llama_worker.mjs")],
                        {env: {...process.env, PEERS_MODULES: modules, GGML_NO_BACKTRACE: "1"}, stdio: ["pipe", "pipe", "pipe"]});
    this.#child.stderr.on("data", (data) => (this.#stderr = (this.#stderr + data).slice(-4000)));
    this.#lines = createInterface({input: this.#child.stdout})[Symbol.asyncIterator]();
  }
}

export function jiang(args, input = "") {
  const result = spawnSync(jiangBinary, args, {input, maxBuffer: 1 << 30, timeout: 600_000});
  if (result.status !== 0) {
    throw new Error(`jiang ${args[0]}: ${result.stderr?.toString().trim() || result.error || `exit ${result.status} ${result.signal ?? ""}`}`);
  }
  return result.stdout;
}

// (positions, vocabulary) logits of jiang, f32 cache.
export function jiangLogits(model, ids, vocabulary) {
  const answer = JSON.parse(jiang(["logits", model, "--ids", ids.join(","), "--top", String(vocabulary), "--json"]));
  if (answer.positions.length !== ids.length) throw new Error(`jiang logits: ${answer.positions.length} positions for ${ids.length} ids`);
  const rows = new Float32Array(ids.length * vocabulary);
  answer.positions.forEach((position, i) => {
    if (position.top.length !== vocabulary) throw new Error(`jiang logits: ${position.top.length} of ${vocabulary} logits`);
    for (const [id, logit] of position.top) rows[i * vocabulary + id] = logit;
  });
  return rows;
}

export function jiangTokenize(model, text, specials = false) {
  return JSON.parse(jiang(["tokenize", model, "--json", ...(specials ? ["--specials"] : [])], text));
}

function logSoftmax(row) {
  let best = -Infinity;
  for (const logit of row) if (logit > best) best = logit;
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit - best);
  const total = best + Math.log(sum);
  return Float64Array.from(row, (logit) => logit - total);
}

// How many of the reference's best tokens are compared at each position.
const kTop = 50;

// The largest difference of log-probabilities over llama.cpp's kTop best tokens of each position,
// and how far below our best its greedy token lies at most.
export function compareLogits(ours, theirs, vocabulary) {
  let worst = 0;
  let greedyGap = 0;
  for (let begin = 0; begin < theirs.length; begin += vocabulary) {
    const a = logSoftmax(ours.subarray(begin, begin + vocabulary));
    const b = logSoftmax(theirs.subarray(begin, begin + vocabulary));
    const order = Array.from(b.keys()).sort((i, j) => b[j] - b[i] || i - j).slice(0, kTop);
    for (const id of order) {
      const difference = Math.abs(a[id] - b[id]);
      if (!(difference <= worst)) worst = difference;  // NaN counts as worst
    }
    let best = -Infinity;
    for (const value of a) if (value > best) best = value;
    greedyGap = Math.max(greedyGap, best - a[order[0]]);
  }
  return {worst, greedyGap};
}

// Decision 23, by the type that a file's name tells.
export function boundOf(name) {
  if (/bf16/i.test(name)) return 2.5e-2;
  if (/(^|[^a-z0-9])(f32|f16|fp16)([^a-z0-9]|$)/i.test(name)) return 1e-2;
  return 0.15;
}

export async function compareModel(llama, model, ids, bound) {
  const theirs = await llama.ask({command: "logits", model: resolve(model), ids});
  const bytes = Buffer.from(theirs.logits, "base64");
  const reference = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const result = compareLogits(jiangLogits(model, ids, theirs.vocabulary), reference, theirs.vocabulary);
  return {...result, bound, good: result.worst <= bound && result.greedyGap <= bound};
}

// Ids that a fixed linear congruential generator draws.
export function someIds(n, vocabulary, seed = 1) {
  let state = seed >>> 0;
  return Array.from({length: n}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabulary);
  });
}

// Prints rows as they come and remembers the verdict.
export class Report {
  failed = 0;
  passed = 0;
  notes = [];

  section(title) { console.log(`\n${title}`); }
  row(good, name, text) {
    good ? ++this.passed : ++this.failed;
    console.log(`  ${good ? "ok  " : "FAIL"}  ${name.padEnd(34)} ${text}`);
  }
  model(name, {worst, greedyGap, bound, good}) {
    this.row(good, name, `log-probabilities differ by ${worst.toExponential(1)} (allowed ${bound}), greedy by ${greedyGap.toExponential(1)}`);
  }
  async check(name, run) {
    try {
      await run();
    } catch (error) {
      this.row(false, name, String(error.message ?? error).slice(0, 400));
    }
  }
  skip(text) {
    this.notes.push(text);
    console.log(`  skip  ${text}`);
  }
  verdict() {
    console.log(`\n${this.failed === 0 ? "peers agree" : "PEERS DISAGREE"}: ${this.passed} good, ${this.failed} bad, ${this.notes.length} skipped`);
    return this.failed === 0 && this.passed > 0 ? 0 : 1;
  }
}
