// What the peer suite and `./test --real` share: both engines as functions, and the comparison of
// decision 23.
import {spawn, spawnSync} from "node:child_process";
import {rmSync, statSync} from "node:fs";
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
  if (/(^|[^a-z0-9])(f32|f16|fp16|fp32)([^a-z0-9]|$)/i.test(name)) return 1e-2;
  return 0.15;
}

// Of every position, in f32; or as people run it, after a prompt of n_prompt tokens.
export async function llamaLogits(llama, model, ids, n_prompt = 0) {
  const answer = await llama.ask({command: "logits", model: resolve(model), ids, n_prompt});
  const bytes = Buffer.from(answer.logits, "base64");
  return {vocabulary: answer.vocabulary, rows: new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)};
}

const kLargestReferee = 1e9;  // bytes of a file that is worth writing again in f32

const isWithin = ({worst, greedyGap}, bound) => worst <= bound && greedyGap <= bound;

// With quantised weights both engines round activations to 8 bits, each in its own way, so that two
// right answers may lie twice the bound apart. Like with like is then: each against the same numbers
// in f32, as llama.cpp computes them. jiang must lie within the bound of that, always; and within
// the bound of llama.cpp's own answer or, where the two errors add up, no farther from f32 than it.
export async function compareModel(llama, model, ids, bound) {
  const theirs = await llamaLogits(llama, model, ids);
  const {vocabulary} = theirs;
  const ours = jiangLogits(model, ids, vocabulary);
  const result = {...compareLogits(ours, theirs.rows, vocabulary), bound};
  const isClose = isWithin(result, bound);
  if (bound < 0.15 || statSync(model).size > kLargestReferee) return {...result, good: isClose};

  const exact = join(root, "build/peers/exact.gguf");
  rmSync(exact, {force: true});
  jiang(["quantize", model, exact, "--type", "f32", "--allow-requantize"]);
  const truth = await llamaLogits(llama, exact, ids);
  const ourError = compareLogits(ours, truth.rows, vocabulary);
  const theirError = compareLogits(theirs.rows, truth.rows, vocabulary);
  const good = isWithin(ourError, bound) && (isClose || ourError.worst <= theirError.worst);
  return {...result, good, referee: {ours: ourError.worst, llama: theirError.worst}};
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
  model(name, {worst, greedyGap, bound, good, referee}) {
    const verdict = referee ? `; from f32: jiang ${referee.ours.toExponential(1)}, llama.cpp ${referee.llama.toExponential(1)}` : "";
    this.row(good, name, `log-probabilities differ by ${worst.toExponential(1)} (allowed ${bound}), greedy by ${greedyGap.toExponential(1)}${verdict}`);
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
