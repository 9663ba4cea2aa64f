// jiang against llama.cpp on the same files; prints a table and a verdict, exits 0 when all agree.
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync} from "node:fs";
import {basename, join} from "node:path";

import {Llama, Report, boundOf, compareModel, jiang, jiangLogits, jiangTokenize, llamaLogits, root, someIds} from "./common.mjs";
import {makeFolder, realTokenizers, vocabularyTexts} from "./tokenizer_folders.mjs";

const data = process.env.JIANG_TEST_DATA;
const scratch = join(root, "build/peers/files");
const llama = new Llama();
const report = new Report();

function filesIn(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => pattern.test(name)).sort().map((name) => join(folder, name));
}

async function weights() {
  report.section("weights of shared/data");
  const files = ["stories260K", "tiny-qwen2"].flatMap((name) => filesIn(join(data, "weights", name), /\.gguf$/));
  if (files.length === 0) report.skip(`no weights under ${data}`);
  for (const file of files) {
    await report.check(basename(file), async () => {
      const prompt = JSON.parse(readFileSync(file.replace(/\.gguf$/, ".json"))).prompt_ids;
      const ids = [...prompt, ...someIds(32 - Math.min(16, prompt.length), 500)];
      report.model(basename(file), await compareModel(llama, file, ids, boundOf(basename(file))));
    });
  }
}

// The .json beside each file: that they are what llama.cpp says when it keeps its cache in f16, and how
// far its f32 answers and jiang's lie from them. What jiang is held to is `weights`, in f32 on both sides.
async function answers() {
  report.section("answers of shared/data (llama.cpp with f16 cache and flash attention)");
  const files = ["stories260K", "tiny-qwen2"].flatMap((name) => filesIn(join(data, "weights", name), /\.gguf$/));
  for (const file of files) {
    const name = basename(file);
    await report.check(name, async () => {
      const {prompt_ids, steps} = JSON.parse(readFileSync(file.replace(/\.gguf$/, ".json")));
      const ids = [...prompt_ids, ...steps.map(({id}) => id)].slice(0, -1);
      const again = await llamaLogits(llama, file, ids, prompt_ids.length);
      const {vocabulary} = again;
      const answersOf = (rows) => rows.subarray((prompt_ids.length - 1) * vocabulary);
      const exact = answersOf((await llamaLogits(llama, file, ids)).rows);
      const ours = answersOf(jiangLogits(file, ids, vocabulary));
      const distance = (rows) => Math.max(...steps.flatMap(
        ({top5}, i) => top5.map(([id, logit]) => Math.abs(logit - rows[i * vocabulary + id]))));
      report.row(distance(again.rows) <= boundOf(name), name,
                 `run again ${distance(again.rows).toExponential(1)} (allowed ${boundOf(name)}); ` +
                 `llama.cpp in f32 ${distance(exact).toExponential(1)}, jiang ${distance(ours).toExponential(1)}`);
    });
  }
}

// The tiny fixture of every family, written by tests/peers/write_fixtures.cpp.
async function families() {
  report.section("families (tiny fixtures with the family's shape)");
  const folder = join(root, "build/peers/fixtures");
  const files = filesIn(folder, /\.gguf$/);
  if (files.length === 0) report.skip("no fixtures were written");
  for (const file of files) {
    const name = basename(file);
    await report.check(name, async () => {
      if (name.startsWith("bert")) return encoder(file);
      // llama.cpp has no window for the architecture "llama": Mistral is compared up to its window.
      const n = name.startsWith("mistral") ? kMistralWindow : 40;
      report.model(name, await compareModel(llama, file, someIds(n, 250, 7), 1e-2));
    });
  }
}

const kMistralWindow = 20;

async function encoder(file) {
  const texts = ["hello world", "a sentence, with a comma", "x"];
  const ours = jiang(["embed", file], texts.join("\n") + "\n").toString().trim().split("\n").map((line) => JSON.parse(line));
  let worst = 0;
  for (const [i, text] of texts.entries()) {
    const {vector} = await llama.ask({command: "embed", model: file, text});
    const unit = (values) => {
      const length = Math.hypot(...values);
      return values.map((value) => value / length);
    };
    const theirs = unit(vector);
    const mine = unit(ours[i]);
    theirs.forEach((value, j) => (worst = Math.max(worst, Math.abs(value - mine[j]) || (mine[j] === undefined ? Infinity : 0))));
  }
  report.row(worst <= 1e-2, basename(file), `unit vectors differ by ${worst.toExponential(1)} (allowed 0.01)`);
}

async function quantize() {
  report.section("files that jiang quantize writes");
  const source = join(data, "weights/tiny-qwen2/tiny-qwen2-BF16.gguf");
  if (!existsSync(source)) return report.skip(`no ${source}`);
  mkdirSync(scratch, {recursive: true});
  const types = jiang(["quantize", "--list-types"]).toString().trim().split("\n");
  for (const type of types) {
    await report.check(type, async () => {
      const file = join(scratch, `tiny-qwen2-${type}.gguf`);
      rmSync(file, {force: true});
      jiang(["quantize", source, file, "--type", type]);
      report.model(type, await compareModel(llama, file, someIds(32, 1500, 3), boundOf(`-${type}.`)));
    });
  }
}

// Hugging Face folders, converted by jiang as they are: llama.cpp on the file against jiang on the
// file, and its tokens against jiang's on the folder.
async function folders() {
  report.section("Hugging Face folders, converted by jiang quantize");
  mkdirSync(scratch, {recursive: true});
  const fixtures = join(root, "build/peers/fixtures");
  const folders = [join(data, "weights/tinystories-656k"),
                   ...(existsSync(fixtures) ? readdirSync(fixtures).map((name) => join(fixtures, name)) : [])]
    .filter((path) => existsSync(join(path, "config.json")));
  if (folders.length === 0) report.skip("no folders");
  for (const folder of folders) {
    const name = basename(folder);
    await report.check(name, async () => {
      const file = join(scratch, `${name}-f32.gguf`);
      rmSync(file, {force: true});
      jiang(["quantize", folder, file, "--type", "f32"]);
      if (name.startsWith("bert")) return encoder(file);
      const n = name.startsWith("mistral") ? kMistralWindow : 40;
      report.model(name, await compareModel(llama, file, someIds(n, 250, 11), 1e-2));
      // llama.cpp dies of a byte that a vocabulary without byte tokens does not have.
      const texts = name === "tinystories-656k" ? ownTexts.filter((text) => /^[a-z ,.!?']+$/i.test(text)) : ownTexts;
      const theirs = (await llama.ask({command: "tokenize", model: file, texts, specials: false})).ids;
      const wrong = texts.filter((text, i) => JSON.stringify(jiangTokenize(folder, text)) !== JSON.stringify(theirs[i]));
      report.row(wrong.length === 0, `${name}, tokens of the folder`, wrong.length === 0 ? `${texts.length} texts` : `${wrong.length} differ: ${JSON.stringify(wrong).slice(0, 200)}`);
    });
  }
}

const ownTexts = [
  "Hello, world!", " two  spaces   three", "line\n\n\nbreaks\r\n\tand tabs\t\t", "1234567890 3.14159 1,000,000",
  "Ünïcödé naïve façade", "你好，世界！今天天气怎么样？", "こんにちは世界", "안녕하세요", "Привет, мир", "مرحبا بالعالم", "שלום עולם",
  "👩‍👩‍👧‍👦 🚀 🇨🇳 e\u0301", "don't I'll WE'VE they're", "<s>[INST]</s> <|im_start|>user", "a".repeat(300), "...!!!???---", "\u00a0\u3000x\u200b",
];

// Where llama.cpp leaves Hugging Face's tokenizer, and jiang does not follow it: not compared.
const llamaDeviates = [
  // Of a character's decomposition it keeps the first part, and it strips all marks where BERT strips Mn.
  {name: /bert/, text: (text) => /[\uac00-\ud7a3\p{Mc}\p{Me}]/u.test(text)},
  // A word of more than 100 letters is unknown to BERT.
  {name: /bert/, text: (text) => /\S{101}/.test(text)},
  // "</s>" becomes a control token there because of its name, though the vocabulary says otherwise.
  {name: /phi-3|qwen2/, text: (text) => text.includes("</s>")},
  // Qwen's tokenizers normalise to NFC first.
  {name: /qwen2/, text: (text) => text !== text.normalize("NFC")},
];

const comparable = (name, texts) =>
  texts.filter((text) => text !== "" && !llamaDeviates.some((row) => row.name.test(name) && row.text(text)));

async function tokenize() {
  report.section("tokens (texts of ggml-vocab and our own)");
  const folder = join(data, "tokenizers/ggml-vocab");
  const files = filesIn(folder, /\.gguf$/);
  if (files.length === 0) report.skip(`no vocabularies under ${folder}`);
  for (const file of files) {
    await report.check(basename(file), async () => {
      const texts = comparable(basename(file), [...readFileSync(`${file}.inp`, "utf8").split("\n__ggml_vocab_test__\n"), ...ownTexts]);
      const theirs = (await llama.ask({command: "tokenize", model: file, texts, specials: false})).ids;
      const wrong = texts.filter((text, i) => JSON.stringify(jiangTokenize(file, text)) !== JSON.stringify(theirs[i]));
      report.row(wrong.length === 0, basename(file),
                 wrong.length === 0 ? `${texts.length} texts` : `${wrong.length} of ${texts.length} differ: ${JSON.stringify(wrong).slice(0, 200)}`);
    });
  }
}

async function tokenizers() {
  report.section("real tokenizers in folders, converted by jiang quantize");
  mkdirSync(scratch, {recursive: true});
  const source = join(data, "tokenizers");
  for (const row of realTokenizers) {
    const folder = makeFolder(row, source, scratch);
    if (folder === null) {
      report.skip(`no tokenizer ${row.name}`);
      continue;
    }
    const texts = comparable(row.name, [...vocabularyTexts(source), ...ownTexts]);
    await report.check(row.name, async () => {
      const file = join(scratch, `tokenizer-${row.name}.gguf`);
      rmSync(file, {force: true});
      jiang(["quantize", folder, file, "--type", "q8_0"]);
      for (const specials of [false, true]) {
        const theirs = (await llama.ask({command: "tokenize", model: file, texts, specials})).ids;
        for (const [where, path] of [["folder", folder], ["file", file]]) {
          const wrong = texts.filter((text, i) => JSON.stringify(jiangTokenize(path, text, specials)) !== JSON.stringify(theirs[i]));
          report.row(wrong.length === 0, `${row.name}, ${where}${specials ? ", specials" : ""}`,
                     wrong.length === 0 ? `${texts.length} texts` : `${wrong.length} of ${texts.length} differ: ${JSON.stringify(wrong).slice(0, 200)}`);
        }
      }
    });
  }
}

const sections = {weights, answers, families, quantize, folders, tokenize, tokenizers};
const asked = process.argv.slice(2);
for (const [name, run] of Object.entries(sections)) {
  if (asked.length === 0 || asked.includes(name)) await run();
}
llama.stop();
process.exit(report.verdict());
