import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { becomesIdle, encoder, hello, isPick, key, model, pickSchema, url } from './common.mjs';

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const greedy = { model, messages: hello, temperature: 0, max_tokens: 12 };
const pick = { type: 'function', function: { name: 'pick', parameters: pickSchema } };
const say = { type: 'function', function: { name: 'say', parameters: { type: 'object', properties: { aloud: { type: 'boolean' } }, required: ['aloud'] } } };

test('lists and retrieves models', async () => {
  const ids = [];
  for await (const one of openai.models.list()) ids.push(one.id);
  assert.ok(ids.includes(model) && ids.includes(encoder), ids.join());
  assert.equal((await openai.models.retrieve(model)).id, model);
  await assert.rejects(openai.models.retrieve('absent'), OpenAI.NotFoundError);
});

test('chats, and streams the same with usage', async () => {
  const whole = await openai.chat.completions.create(greedy);
  assert.equal(whole.choices[0].finish_reason, 'length');
  assert.equal(whole.usage.completion_tokens, 12);
  let text = '', usage, reason;
  for await (const chunk of await openai.chat.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? '';
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(reason, 'length');
  assert.equal(usage.completion_tokens, 12);
  assert.equal(usage.prompt_tokens, whole.usage.prompt_tokens);
  const helped = await openai.chat.completions.stream(greedy).finalChatCompletion();
  assert.equal(helped.choices[0].message.content, text);
});

test('n, seed and logprobs', async () => {
  const ask = { ...greedy, temperature: 1, seed: 7, n: 3, logprobs: true, top_logprobs: 2 };
  const [first, again] = [await openai.chat.completions.create(ask), await openai.chat.completions.create(ask)];
  assert.equal(first.choices.length, 3);
  assert.deepEqual(first.choices.map((c) => c.message.content), again.choices.map((c) => c.message.content));
  for (const token of first.choices[0].logprobs.content) {
    assert.equal(token.top_logprobs.length, 2);
    assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob);
  }
});

test('tools: forced, named, free and none', async () => {
  const ask = { ...greedy, temperature: 1, max_tokens: 1500, tools: [pick, say] };
  for (let seed = 1; seed <= 5; seed++) {
    const required = await openai.chat.completions.create({ ...ask, seed, tool_choice: 'required' });
    const call = required.choices[0].message.tool_calls[0];
    assert.equal(required.choices[0].finish_reason, 'tool_calls');
    const given = JSON.parse(call.function.arguments);
    if (call.function.name === 'pick') isPick(given);
    else assert.equal(typeof given.aloud, 'boolean');

    const named = openai.chat.completions.stream({ ...ask, seed, tool_choice: { type: 'function', function: { name: 'pick' } } });
    const message = await named.finalMessage();
    assert.ok(message.tool_calls[0].id);
    for (const one of message.tool_calls) {
      assert.equal(one.function.name, 'pick');
      isPick(JSON.parse(one.function.arguments));
    }
  }
  const free = await openai.chat.completions.create({ ...ask, max_tokens: 12, tool_choice: 'auto' });
  assert.ok(free.choices[0].message);
  const none = await openai.chat.completions.create({ ...ask, max_tokens: 12, tool_choice: 'none' });
  assert.equal(none.choices[0].message.tool_calls, undefined);
});

test('runTools calls the function and sends its answer back', async () => {
  const seen = [];
  const runner = openai.chat.completions.runTools({
    ...greedy, max_tokens: 1500, temperature: 1, seed: 3,
    tool_choice: { type: 'function', function: { name: 'pick' } },
    tools: [{ type: 'function', function: { name: 'pick', parameters: pickSchema, parse: JSON.parse, function: (a) => { seen.push(a); return 'done'; } } }],
  });
  await runner.done();
  assert.ok(seen.length > 0);
  seen.forEach(isPick);
  const tool = runner.messages.find((m) => m.role === 'tool');
  assert.equal(tool.content, 'done');
  const next = await openai.chat.completions.create({ ...greedy, messages: runner.messages, tools: [pick] });
  assert.ok(next.usage.prompt_tokens > 20);
});

test('json_schema: what is parsed fits, and what is not supported is refused by name', async () => {
  const Pick = z.object({ colour: z.enum(['red', 'green']), count: z.number().int().min(0).max(9), notes: z.array(z.string().max(5)).max(2) });
  for (let seed = 1; seed <= 5; seed++) {
    const done = await openai.chat.completions.parse({ ...greedy, temperature: 1, seed, max_tokens: 300, response_format: zodResponseFormat(Pick, 'pick') });
    assert.ok(Pick.safeParse(done.choices[0].message.parsed).success);
  }
  const json = await openai.chat.completions.create({ ...greedy, temperature: 1, seed: 1, max_tokens: 100, response_format: { type: 'json_object' } });
  assert.equal(typeof JSON.parse(json.choices[0].message.content), 'object');
  const schema = { type: 'object', patternProperties: { '^a': {} } };
  await assert.rejects(openai.chat.completions.create({ ...greedy, response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } }),
    (error) => error instanceof OpenAI.BadRequestError && /patternProperties/.test(error.message));
});

test('embeddings: base64 (what the client asks for by itself) and floats are the same', async () => {
  const ask = { model: encoder, input: ['word1 word2', 'a b c'] };
  const packed = await openai.embeddings.create(ask);
  const floats = await openai.embeddings.create({ ...ask, encoding_format: 'float' });
  assert.equal(packed.data.length, 2);
  for (let i = 0; i < 2; i++) {
    const [a, b] = [packed.data[i].embedding, floats.data[i].embedding];
    assert.equal(a.length, 32);
    assert.deepEqual([...a], b.map((x) => Math.fround(x)));
  }
  const decoder = await openai.embeddings.create({ model, input: 'hello' });
  assert.ok(decoder.data[0].embedding.length > 0);
});

test('completions and responses', async () => {
  const text = await openai.completions.create({ model, prompt: 'Once', max_tokens: 5, temperature: 0 });
  assert.equal(text.usage.completion_tokens, 5);
  const answer = await openai.responses.create({ model, input: 'hello', max_output_tokens: 16, temperature: 0 });
  assert.equal(answer.status, 'incomplete');
  const types = [];
  let streamed = '';
  for await (const event of await openai.responses.create({ model, input: 'hello', max_output_tokens: 16, temperature: 0, stream: true })) {
    types.push(event.type);
    if (event.type === 'response.output_text.delta') streamed += event.delta;
  }
  assert.equal(types[0], 'response.created');
  assert.equal(types.at(-1), 'response.incomplete');
  assert.equal(streamed, answer.output_text);
});

test('a client that leaves frees its slot', async () => {
  const endless = { ...greedy, max_tokens: 3000, temperature: 1 };
  for await (const chunk of await openai.chat.completions.create({ ...endless, stream: true })) {
    if (chunk.choices[0].delta.content) break;
  }
  await becomesIdle();
  const control = new AbortController();
  const stream = await openai.chat.completions.create({ ...endless, stream: true }, { signal: control.signal });
  setTimeout(() => control.abort(), 50);
  try { for await (const _ of stream); } catch (error) { assert.ok(error instanceof OpenAI.APIUserAbortError); }
  await becomesIdle();
});

test('errors are the ones that the client knows', async () => {
  const refused = async (ask, kind, check) => {
    await assert.rejects(openai.chat.completions.create(ask), (error) => {
      assert.ok(error instanceof kind, String(error));
      check?.(error);
      return true;
    });
  };
  await refused({ ...greedy, model: 'absent' }, OpenAI.NotFoundError, (e) => assert.equal(e.code, 'model_not_found'));
  await refused({ ...greedy, temperature: 9 }, OpenAI.BadRequestError, (e) => assert.equal(e.param, 'temperature'));
  await refused({ ...greedy, temprature: 1 }, OpenAI.BadRequestError, (e) => assert.match(e.message, /did you mean temperature/));
  await refused({ ...greedy, messages: [{ role: 'user', content: 'x '.repeat(50000) }] }, OpenAI.BadRequestError, (e) => {
    assert.equal(e.code, 'context_length_exceeded');
    assert.ok(e.error.n_prompt_tokens > e.error.n_ctx);
  });
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'wrong' });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
});
