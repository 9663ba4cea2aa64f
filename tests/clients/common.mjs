// What the clients' tests share: where the server is, and what they ask of it. The model is random,
// so what is asked for is what a server alone can keep: shapes, limits, sameness.
import assert from 'node:assert/strict';

export const url = process.env.JIANG_URL;
export const key = process.env.JIANG_KEY;
export const model = 'chat';
export const encoder = 'encoder';
export const hello = [{ role: 'user', content: 'hello' }];
export const pickSchema = {
  type: 'object',
  properties: { colour: { type: 'string', enum: ['red', 'green'] }, count: { type: 'integer', minimum: 0, maximum: 9 } },
  required: ['colour', 'count'],
  additionalProperties: false,
};

export function isPick(value) {
  assert.ok(['red', 'green'].includes(value.colour), JSON.stringify(value));
  assert.ok(Number.isInteger(value.count) && value.count >= 0 && value.count <= 9, JSON.stringify(value));
  assert.equal(Object.keys(value).length, 2);
}

// The server works on nothing any more.
export async function becomesIdle() {
  for (let i = 0; i < 500; i++) {
    const slots = await (await fetch(`${url}/slots`, { headers: { 'x-api-key': key } })).json();
    if (slots.active === 0 && slots.models.every((m) => m.running === 0 && m.waiting === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('a slot was not freed within ten seconds');
}
