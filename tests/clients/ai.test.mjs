import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { becomesIdle, encoder, isPick, key, model, pickSchema, url } from './common.mjs';

const jiang = createOpenAICompatible({ name: 'jiang', baseURL: `${url}/v1`, apiKey: key, includeUsage: true, supportsStructuredOutputs: true });
const greedy = { model: jiang(model), prompt: 'hello', temperature: 0, maxOutputTokens: 12 };

test('generates, and streams the same', async () => {
  const whole = await generateText(greedy);
  assert.equal(whole.finishReason, 'length');
  const streamed = streamText(greedy);
  let text = '';
  for await (const piece of streamed.textStream) text += piece;
  assert.equal(text, whole.text);
  assert.equal((await streamed.usage).outputTokens, 12);
});

test('tools are called, step after step', async () => {
  const seen = [];
  const pick = tool({ description: 'picks', inputSchema: jsonSchema(pickSchema), execute: async (given) => { seen.push(given); return 'done'; } });
  const ask = { ...greedy, temperature: 1, seed: 5, maxOutputTokens: 1500, tools: { pick }, toolChoice: 'required', stopWhen: stepCountIs(2) };
  const whole = await generateText(ask);
  assert.equal(whole.steps.length, 2);
  const streamed = streamText(ask);
  await streamed.consumeStream();
  assert.equal((await streamed.steps).length, 2);
  assert.ok(seen.length >= 4);
  seen.forEach(isPick);
});

test('objects fit their schema', async () => {
  for (let seed = 1; seed <= 3; seed++)
    isPick((await generateObject({ ...greedy, temperature: 1, seed, maxOutputTokens: 100, schema: jsonSchema(pickSchema) })).object);
});

test('embeds', async () => {
  const { embeddings } = await embedMany({ model: jiang.textEmbeddingModel(encoder), values: ['word1', 'word2 word3'] });
  assert.deepEqual(embeddings.map((e) => e.length), [32, 32]);
});

test('an abort frees the slot; errors have their status', async () => {
  const control = new AbortController();
  const streamed = streamText({ ...greedy, temperature: 1, maxOutputTokens: 3000, abortSignal: control.signal, onError: () => {} });
  for await (const _ of streamed.textStream) control.abort();
  await becomesIdle();
  await assert.rejects(generateText({ ...greedy, model: jiang('absent'), maxRetries: 0 }), (e) => e.statusCode === 404 && /absent/.test(e.message));
  await assert.rejects(generateText({ ...greedy, temperature: 9, maxRetries: 0 }), (e) => e.statusCode === 400);
});
