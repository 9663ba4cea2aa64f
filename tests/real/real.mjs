// One real model in jiang and in llama.cpp: tokens, template, log-probabilities, verdict.
import {spawnSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync} from "node:fs";
import {basename, dirname, join} from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";

import {Llama, Report, compareModel, jiang, jiangTokenize, root} from "../peers/common.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const model = process.argv[2];
const scratch = join(root, "build/peers/real");
const llama = new Llama();
const report = new Report();
mkdirSync(scratch, {recursive: true});

// llama.cpp reads GGUF only: a folder is converted, in the type that it has.
function asGguf() {
  if (!statSync(model).isDirectory()) return model;
  const config = JSON.parse(readFileSync(join(model, "config.json")));
  const type = {bfloat16: "bf16", float16: "f16"}[config.torch_dtype ?? config.dtype] ?? "f32";
  const file = join(scratch, `${basename(model)}-${type}.gguf`);
  console.log(`converting ${model} to ${file}`);
  rmSync(file, {force: true});
  jiang(["quantize", model, file, "--type", type]);
  return file;
}

const texts = [
  "The quick brown fox jumps over the lazy dog.", "  leading, trailing  ", "a\n\nb\r\n\tc", "3.14159 and 1234567890",
  "Straße, naïve, Ærøskøbing, Łódź", "今天天气真好，我们去公园散步吧。", "東京都は日本の首都です。", "대한민국의 수도는 서울입니다.",
  "Москва — столица России.", "القاهرة هي عاصمة مصر", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Xin chào thế giới", "👋🌍 🏳️‍🌈 👨‍👩‍👧",
  "def f(x):\n    return {'a': x ** 2}  # comment\n", "<|im_start|>user <s> </s> [INST]", "don't can't I'LL", "e\u0301 \u200b \ufeff x",
];

const conversations = {
  "one question": [{role: "user", content: "What is the capital of France?"}],
  "with a system prompt": [{role: "system", content: "You answer briefly."}, {role: "user", content: "你好！"}],
  "several turns": [{role: "user", content: "Hi"}, {role: "assistant", content: "Hello! How can I help?"}, {role: "user", content: "Tell me a joke."}],
};

// llama.cpp's ids; null for what it dies of (a byte that the vocabulary has no token for).
async function llamaTokenize(gguf, text, specials) {
  try {
    return (await llama.ask({command: "tokenize", model: gguf, texts: [text], specials})).ids[0];
  } catch {
    return null;
  }
}

async function tokens(gguf) {
  report.section("tokens");
  for (const specials of [false, true]) {
    const name = specials ? "special tokens parsed" : "special tokens as text";
    await report.check(name, async () => {
      const wrong = [];
      let compared = 0;
      for (const text of texts) {
        const theirs = await llamaTokenize(gguf, text, specials);
        if (theirs === null) continue;
        ++compared;
        const ours = jiangTokenize(model, text, specials);
        if (JSON.stringify(ours) !== JSON.stringify(theirs)) wrong.push({text, ours, theirs});
      }
      const left = compared < texts.length ? `, llama.cpp dies of ${texts.length - compared}` : "";
      report.row(wrong.length === 0, name, wrong.length === 0 ? `${compared} texts${left}` : `${wrong.length} differ: ${JSON.stringify(wrong).slice(0, 400)}`);
    });
  }
}

async function oracle(template, context) {
  const python = spawnSync("python3", [join(here, "oracle.py")], {input: JSON.stringify({template, context})});
  if (python.status === 0) return {name: "jinja2", ...JSON.parse(python.stdout)};
  const {Template} = await import(pathToFileURL(join(root, "build/peers/node_modules/@huggingface/jinja/dist/index.js")).href);
  try {
    return {name: "@huggingface/jinja", text: new Template(template).render(context)};
  } catch (error) {
    return {name: "@huggingface/jinja", error: error.message};
  }
}

// Returns a rendered prompt, for the log-probabilities.
async function template(gguf) {
  report.section("chat template");
  const metadata = await llama.ask({command: "metadata", model: gguf});
  if (!metadata.template) {
    report.skip("the model has no chat template");
    return null;
  }
  let prompt = null;
  for (const [name, messages] of Object.entries(conversations)) {
    await report.check(name, async () => {
      const context = {messages, add_generation_prompt: true, bos_token: metadata.bos ?? "", eos_token: metadata.eos ?? ""};
      const file = join(scratch, "context.json");
      writeFileSync(file, JSON.stringify(context));
      const expected = await oracle(metadata.template, context);
      let ours;
      try {
        ours = jiang(["template", model, "--context", file]).toString();
      } catch (error) {
        return report.row(Boolean(expected.error), name, expected.error ? "both refuse it" : error.message);
      }
      report.row(ours === expected.text, name, ours === expected.text ? `as ${expected.name} renders it` : `jiang ${JSON.stringify(ours).slice(0, 150)}, ${expected.name} ${JSON.stringify(expected.text ?? expected.error).slice(0, 150)}`);
      prompt ??= expected.text ?? null;
    });
  }
  return prompt;
}

async function logProbabilities(gguf, prompt) {
  report.section("log-probabilities (decision 23)");
  const {fileType, bos_id: bos} = await llama.ask({command: "metadata", model: gguf});
  const bound = {0: 1e-2, 1: 1e-2, 32: 2.5e-2}[fileType] ?? 0.15;
  const cases = {"English": texts[0], "Chinese": texts[5], "code": texts[14], ...(prompt ? {"a chat": prompt} : {})};
  for (const [name, text] of Object.entries(cases)) {
    await report.check(name, async () => {
      const ids = (await llamaTokenize(gguf, text, true)) ?? jiangTokenize(model, text, true);
      const input = (bos !== null && ids[0] !== bos ? [bos, ...ids] : ids).slice(0, 24);
      report.model(`${name} (${input.length} positions)`, await compareModel(llama, gguf, input, bound));
    });
  }
}

async function embeddings(gguf) {
  report.section("embeddings");
  for (const text of [texts[0], texts[5]]) {
    await report.check(text, async () => {
      const unit = (values) => values.map((value) => value / Math.hypot(...values));
      const theirs = unit((await llama.ask({command: "embed", model: gguf, text})).vector);
      const ours = unit(JSON.parse(jiang(["embed", gguf], text + "\n").toString()));
      const worst = theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i])), 0);
      report.row(worst <= 1e-2 && ours.length === theirs.length, text, `unit vectors differ by ${worst.toExponential(1)} (allowed 0.01)`);
    });
  }
}

const gguf = asGguf();
await tokens(gguf);
if (/bert/.test((await llama.ask({command: "metadata", model: gguf})).architecture)) {
  await embeddings(gguf);
} else {
  await logProbabilities(gguf, await template(gguf));
}
llama.stop();
const code = report.verdict();
console.log(code === 0 ? `${basename(model)} is verified: add it to the README's list` : `${basename(model)} is NOT verified`);
process.exit(code);
