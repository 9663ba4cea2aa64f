import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { becomesIdle, hello, isPick, key, model, pickSchema, url } from './common.mjs';

const anthropic = new Anthropic({ baseURL: url, apiKey: key });
const greedy = { model, messages: hello, temperature: 0, max_tokens: 12 };
const tools = [{ name: 'pick', description: 'picks', input_schema: pickSchema }];

test('answers, and streams the same', async () => {
  const whole = await anthropic.messages.create({ ...greedy, system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }] });
  assert.equal(whole.stop_reason, 'max_tokens');
  assert.equal(whole.usage.output_tokens, 12);
  const stream = anthropic.messages.stream({ ...greedy, system: 'Be brief.' });
  let text = '';
  stream.on('text', (piece) => { text += piece; });
  const final = await stream.finalMessage();
  assert.equal(final.content[0].text, whole.content[0].text);
  assert.equal(text, final.content[0].text);
  assert.equal(final.stop_reason, 'max_tokens');
  assert.equal(final.usage.output_tokens, 12);
});

test('counts the tokens that a message has', async () => {
  const counted = await anthropic.messages.countTokens({ model, messages: hello, system: 'Be brief.' });
  const asked = await anthropic.messages.create({ ...greedy, system: 'Be brief.' });
  const { input_tokens, cache_read_input_tokens } = asked.usage;
  assert.equal(counted.input_tokens, input_tokens + cache_read_input_tokens);
});

test('tools: forced, named, free, none; whole and streamed; and their answers', async () => {
  const ask = { ...greedy, temperature: 1, max_tokens: 1500, tools };
  for (const tool_choice of [{ type: 'any' }, { type: 'tool', name: 'pick' }, { type: 'any', disable_parallel_tool_use: true }]) {
    const whole = await anthropic.messages.create({ ...ask, tool_choice });
    const streamed = await anthropic.messages.stream({ ...ask, tool_choice }).finalMessage();
    for (const message of [whole, streamed]) {
      assert.equal(message.stop_reason, 'tool_use');
      const calls = message.content.filter((block) => block.type === 'tool_use');
      assert.ok(calls.length > 0);
      if (tool_choice.disable_parallel_tool_use) assert.equal(calls.length, 1);
      calls.forEach((call) => isPick(call.input));
    }
  }
  const none = await anthropic.messages.create({ ...ask, max_tokens: 12, tool_choice: { type: 'none' } });
  assert.ok(none.content.every((block) => block.type !== 'tool_use'));
  const free = await anthropic.messages.create({ ...ask, max_tokens: 12 });
  assert.ok(free.content.length > 0);
  const called = await anthropic.messages.create({ ...ask, tool_choice: { type: 'tool', name: 'pick' } });
  const results = called.content.filter((b) => b.type === 'tool_use').map((b) => ({ type: 'tool_result', tool_use_id: b.id, content: 'done' }));
  const after = await anthropic.messages.create({ ...ask, max_tokens: 12, messages: [...hello, { role: 'assistant', content: called.content }, { role: 'user', content: results }] });
  assert.equal(after.role, 'assistant');
});

test('a schema for the answer is kept', async () => {
  const done = await anthropic.messages.create({ ...greedy, temperature: 1, max_tokens: 100, output_config: { format: { type: 'json_schema', schema: pickSchema } } });
  isPick(JSON.parse(done.content[0].text));
});

test('lists models', async () => {
  const ids = [];
  for await (const one of anthropic.models.list()) ids.push(one.id);
  assert.ok(ids.includes(model));
});

test('a client that leaves frees its slot', async () => {
  const stream = anthropic.messages.stream({ ...greedy, temperature: 1, max_tokens: 3000 });
  stream.on('text', () => stream.abort());
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  await becomesIdle();
});

test('errors are the ones that the client knows', async () => {
  await assert.rejects(anthropic.messages.create({ ...greedy, model: 'absent' }), Anthropic.NotFoundError);
  await assert.rejects(anthropic.messages.create({ ...greedy, temperature: 9 }), Anthropic.BadRequestError);
  await assert.rejects(anthropic.messages.create({ ...greedy, messages: [{ role: 'user', content: 'x '.repeat(50000) }] }),
    (e) => e instanceof Anthropic.BadRequestError && e.error.error.n_prompt_tokens > e.error.error.n_ctx);
  await assert.rejects(new Anthropic({ baseURL: url, apiKey: 'wrong' }).models.list(), Anthropic.AuthenticationError);
});
