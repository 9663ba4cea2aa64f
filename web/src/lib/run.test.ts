import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../api/types';
import { applyEvent, emptyAnswer, joinEvents, waiting } from './run';

function play(events: RunEvent[]) {
  const message = emptyAnswer('m', 'q');
  const progress = waiting();
  const ends = joinEvents(events).map((event) => applyEvent(message, progress, event));
  return { message, progress, ends };
}

describe('events of a run', () => {
  it('write text and reasoning apart', () => {
    const { message } = play([
      { type: 'reasoning', text: '想' }, { type: 'reasoning', text: '想' }, { type: 'text', text: '你' },
      { type: 'text', text: '好' },
    ]);
    expect(message.content).toBe('你好');
    expect(message.reasoning).toBe('想想');
  });
  it('tell where the run stands', () => {
    expect(play([{ type: 'queued', position: 3 }]).progress).toMatchObject({ phase: 'queued', position: 3 });
    expect(play([{ type: 'prefill', done: 50, total: 200, eta_ms: 900 }]).progress)
      .toMatchObject({ phase: 'prefill', done: 0.25, eta_ms: 900 });
    expect(play([{ type: 'prefill', done: 0, total: 0, eta_ms: 0 }]).progress.done).toBe(0);
  });
  it('replace a part that came before under the same id, and only that', () => {
    const { message } = play([
      { type: 'part', part: { type: 'approval', id: 'a', name: 'write', arguments: '{}', answer: null } },
      { type: 'part', part: { type: 'tool_call', id: 'a', name: 'write', arguments: '{}' } },
      { type: 'part', part: { type: 'approval', id: 'a', name: 'write', arguments: '{}', answer: 'once' } },
      { type: 'part', part: { type: 'code', language: 'c', code: 'x' } },
      { type: 'part', part: { type: 'code', language: 'c', code: 'y' } },
    ]);
    expect(message.parts.map((p) => p.type)).toEqual(['approval', 'tool_call', 'code', 'code']);
    expect(message.parts[0]).toMatchObject({ answer: 'once' });
  });
  it('end with the message that the server stored', () => {
    const stored = { ...emptyAnswer('m', 'q'), content: '完整', status: 'done' as const };
    const { message, ends } = play([
      { type: 'text', text: '残' }, { type: 'done', status: 'length', stats: null, message: stored },
    ]);
    expect(ends).toEqual([false, true]);
    expect(message).toMatchObject({ content: '完整', status: 'length', run: null });
  });
  it('keep what was written when the end carries no message', () => {
    const { message } = play([{ type: 'text', text: 'a' }, { type: 'error', message: 'out of memory', code: 'x' },
      { type: 'done', status: 'error', stats: null, message: null }]);
    expect(message).toMatchObject({ content: 'a', error: 'out of memory', status: 'error' });
  });
  it('are joined only with their own kind', () => {
    expect(joinEvents([{ type: 'text', text: 'a' }, { type: 'reasoning', text: 'b' }, { type: 'text', text: 'c' },
      { type: 'text', text: 'd' }]).length).toBe(3);
  });
});
