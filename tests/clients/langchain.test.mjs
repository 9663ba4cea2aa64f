import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';
import { becomesIdle, encoder, isPick, key, model, pickSchema, url } from './common.mjs';

const configuration = { baseURL: `${url}/v1` };
const chat = (more) => new ChatOpenAI({ model, apiKey: key, configuration, temperature: 0, maxTokens: 12, maxRetries: 0, ...more });

test('invokes, and streams the same', async () => {
  const whole = await chat().invoke('hello');
  let text = '';
  for await (const chunk of await chat().stream('hello')) text += chunk.content;
  assert.equal(text, whole.content);
  assert.equal(whole.usage_metadata.output_tokens, 12);
});

test('bound tools are called when any must be', async () => {
  const bound = chat({ temperature: 1, maxTokens: 1500 }).bindTools(
    [{ type: 'function', function: { name: 'pick', description: 'picks', parameters: pickSchema } }], { tool_choice: 'any' });
  const whole = await bound.invoke('hello');
  assert.equal(whole.invalid_tool_calls?.length ?? 0, 0);
  assert.ok(whole.tool_calls.length > 0);
  whole.tool_calls.forEach((call) => isPick(call.args));
  let all;
  for await (const chunk of await bound.stream('hello')) all = all ? all.concat(chunk) : chunk;
  assert.equal(all.invalid_tool_calls?.length ?? 0, 0);
  assert.ok(all.tool_calls.length > 0);
  all.tool_calls.forEach((call) => isPick(call.args));
});

test('structured output fits, by schema and by tool', async () => {
  const Pick = z.object({ colour: z.enum(['red', 'green']), count: z.number().int().min(0).max(9) });
  for (const method of ['jsonSchema', 'functionCalling'])
    isPick(await chat({ temperature: 1, maxTokens: 1500 }).withStructuredOutput(Pick, { name: 'pick', method }).invoke('hello'));
});

test('embeds', async () => {
  const embeddings = new OpenAIEmbeddings({ model: encoder, apiKey: key, configuration });
  const vectors = await embeddings.embedDocuments(['word1', 'word2']);
  assert.deepEqual(vectors.map((v) => v.length), [32, 32]);
  assert.ok(vectors[0].some((x) => x !== 0));
});

test('an abort frees the slot; errors are thrown', async () => {
  const control = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of await chat({ temperature: 1, maxTokens: 3000, modelKwargs: { seed: 7 } }).stream('hello', { signal: control.signal })) control.abort();
  });
  await becomesIdle();
  await assert.rejects(chat({ model: 'absent' }).invoke('hello'), /absent/);
});
