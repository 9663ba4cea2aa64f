// The unmodified ollama client against a running jiang: node --test, with JIANG_URL, and JIANG_PULL the
// name of a model that its hub has. tests/clients/run.py starts both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';

const ollama = new Ollama({ host: process.env.JIANG_URL });
const name = process.env.JIANG_PULL;

test('pulls with progress that never runs backwards', async () => {
  let last = 0, status = '';
  for await (const part of await ollama.pull({ model: name, stream: true })) {
    if (part.completed !== undefined) {
      assert.ok(part.completed >= last || part.completed <= part.total, JSON.stringify(part));
      last = part.completed;
    }
    status = part.status;
  }
  assert.equal(status, 'success');
  assert.equal((await ollama.pull({ model: name, stream: false })).status, 'success');
});

test('lists and shows', async () => {
  const { models } = await ollama.list();
  const model = models.find((m) => m.name === name);
  assert.ok(model.size > 0);
  assert.match(model.digest, /^[0-9a-f]{64}$/);
  const shown = await ollama.show({ model: name });
  assert.ok(shown.capabilities.includes('completion'));
  assert.ok(shown.model_info['general.parameter_count'] > 0);
  assert.match(shown.modelfile, /^FROM /);
  await assert.rejects(ollama.show({ model: 'absent' }), /absent/);
});

test('copies, creates, deletes', async () => {
  await ollama.copy({ source: name, destination: 'copied' });
  const made = await ollama.create({ model: 'made', from: name, system: 'Be brief.', parameters: { temperature: 0 } });
  assert.ok(made);
  assert.equal((await ollama.show({ model: 'made' })).system, 'Be brief.');
  await ollama.delete({ model: 'copied' });
  await ollama.delete({ model: 'made' });
  const { models } = await ollama.list();
  assert.deepEqual(models.map((m) => m.name).filter((n) => n === 'copied' || n === 'made'), []);
  await assert.rejects(ollama.delete({ model: 'copied' }), /copied/);
});

test('generates, streaming and whole, and says its version', async () => {
  const options = { temperature: 0, num_predict: 4 };
  const whole = await ollama.generate({ model: name, prompt: 'Once', raw: true, stream: false, options });
  let text = '';
  for await (const part of await ollama.generate({ model: name, prompt: 'Once', raw: true, stream: true, options })) {
    text += part.response;
    if (part.done) assert.equal(part.eval_count, whole.eval_count);
  }
  assert.equal(text, whole.response);
  assert.equal(whole.done_reason, 'length');
  assert.ok((await ollama.version()).version);
  assert.ok((await ollama.ps()).models.some((m) => m.name === name));
});
