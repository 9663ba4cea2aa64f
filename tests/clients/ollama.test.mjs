import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import { becomesIdle, encoder, hello, isPick, key, model, pickSchema, url } from './common.mjs';

const ollama = new Ollama({ host: url, headers: { Authorization: `Bearer ${key}` } });
const pulled = process.env.JIANG_PULL; // what the hub has
const options = { temperature: 0, num_predict: 12 };

test('pulls with progress that never runs backwards', async () => {
  const done = new Map();
  let status = '';
  for await (const part of await ollama.pull({ model: pulled, stream: true })) {
    if (part.completed !== undefined) {
      assert.ok(part.completed >= (done.get(part.digest) ?? 0), JSON.stringify(part));
      assert.ok(part.completed <= part.total);
      done.set(part.digest, part.completed);
    }
    status = part.status;
  }
  assert.equal(status, 'success');
  assert.ok(done.size > 0);
  assert.equal((await ollama.pull({ model: pulled, stream: false })).status, 'success');
  await assert.rejects(async () => { for await (const _ of await ollama.pull({ model: 'ms:org/absent', stream: true })); }, /absent/);
});

test('lists, shows, and says what is loaded and its version', async () => {
  const { models } = await ollama.list();
  const name = pulled.replace('ms:', '');
  const one = models.find((m) => m.name === name);
  assert.ok(one.size > 0, JSON.stringify(models));
  assert.match(one.digest, /^[0-9a-f]{64}$/);
  const shown = await ollama.show({ model: name });
  assert.ok(shown.capabilities.includes('completion'));
  assert.ok(shown.model_info['general.parameter_count'] > 0);
  assert.match(shown.modelfile, /^FROM /m);
  await assert.rejects(ollama.show({ model: 'absent' }), /absent/);
  await ollama.generate({ model: name, prompt: '', keep_alive: '5m' });
  const loaded = (await ollama.ps()).models.find((m) => m.name === name);
  assert.ok(new Date(loaded.expires_at) > new Date());
  assert.equal((await ollama.generate({ model: name, prompt: '', keep_alive: 0 })).done_reason, 'unload');
  assert.ok((await ollama.version()).version);
});

test('copies, creates, deletes', async () => {
  const name = pulled.replace('ms:', '');
  await ollama.copy({ source: name, destination: 'copied' });
  await ollama.create({ model: 'made', from: name, system: 'Be brief.', parameters: { temperature: 0 } });
  assert.equal((await ollama.show({ model: 'made' })).system, 'Be brief.');
  // What was put around it counts: an answer is the one to that system message, without being asked.
  const ask = { messages: hello, stream: false, options: { num_predict: 12 } };
  const by_hand = await ollama.chat({ ...ask, model: name, messages: [{ role: 'system', content: 'Be brief.' }, ...hello], options });
  assert.equal((await ollama.chat({ ...ask, model: 'made' })).message.content, by_hand.message.content);
  await ollama.delete({ model: 'copied' });
  await ollama.delete({ model: 'made' });
  const left = (await ollama.list()).models.map((m) => m.name);
  assert.ok(left.includes(name) && !left.includes('copied') && !left.includes('made'), left.join());
  await assert.rejects(ollama.delete({ model: 'copied' }), /copied/);
});

test('chats and generates, streaming and whole', async () => {
  const whole = await ollama.chat({ model, messages: hello, options });
  let text = '';
  for await (const part of await ollama.chat({ model, messages: hello, options, stream: true })) {
    text += part.message.content;
    if (part.done) assert.equal(part.eval_count, whole.eval_count);
  }
  assert.equal(text, whole.message.content);
  assert.equal(whole.done_reason, 'length');
  assert.equal(whole.eval_count, 12);
  const raw = await ollama.generate({ model, prompt: 'Once', raw: true, options });
  let again = '';
  for await (const part of await ollama.generate({ model, prompt: 'Once', raw: true, options, stream: true })) again += part.response;
  assert.equal(again, raw.response);
});

test('a schema is kept; tools may be called and their answers are read', async () => {
  const made = await ollama.chat({ model, messages: hello, format: pickSchema, options: { temperature: 1, num_predict: 100 } });
  isPick(JSON.parse(made.message.content));
  const tools = [{ type: 'function', function: { name: 'pick', description: 'picks', parameters: pickSchema } }];
  const messages = [...hello,
    { role: 'assistant', content: '', tool_calls: [{ function: { name: 'pick', arguments: { colour: 'red', count: 1 } } }] },
    { role: 'tool', tool_name: 'pick', content: 'done' }];
  const after = await ollama.chat({ model, messages, tools, options });
  assert.equal(after.message.role, 'assistant');
});

test('embeds', async () => {
  const { embeddings } = await ollama.embed({ model: encoder, input: ['word1', 'word2'] });
  assert.deepEqual(embeddings.map((e) => e.length), [32, 32]);
  assert.deepEqual((await ollama.embeddings({ model: encoder, prompt: 'word1' })).embedding, embeddings[0]);
});

test('an abort frees the slot; errors are thrown', async () => {
  // With a seed: drawn anew each time, one answer in some ends before it is stopped.
  const stream = await ollama.chat({ model, messages: hello, stream: true, options: { num_predict: 3000, temperature: 1, seed: 7 } });
  await assert.rejects(async () => { for await (const _ of stream) stream.abort(); }, { name: 'AbortError' });
  await becomesIdle();
  await assert.rejects(ollama.chat({ model: 'absent', messages: hello }), /absent/);
  await assert.rejects(ollama.chat({ model, messages: hello, options: { mirostat: 2 } }), /mirostat/);
  await assert.rejects(ollama.chat({ model, messages: [{ role: 'user', content: 'x '.repeat(50000) }] }), /tokens/);
});
