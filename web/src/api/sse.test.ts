import { describe, expect, it } from 'vitest';
import { SseParser } from './sse';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('server-sent events', () => {
  const stream = ': ping\n\nid: 1\ndata: {"text":"你"}\n\nid: 2\r\ndata: a\r\ndata: b\r\n\r\n🙂: x\n\nid:3\ndata:🙂\n\n';
  const whole = [{ id: 1, data: '{"text":"你"}' }, { id: 2, data: 'a\nb' }, { id: 3, data: '🙂' }];
  it('come out whole however the bytes are cut', () => {
    const all = bytes(stream);
    for (let size = 1; size <= all.length; size += 1) {
      const parser = new SseParser();
      const got = [];
      for (let i = 0; i < all.length; i += size) got.push(...parser.push(all.slice(i, i + size)));
      expect(got, `cut every ${size} bytes`).toEqual(whole);
    }
  });
  it('are not given out before their blank line', () => {
    expect(new SseParser().push(bytes('id: 9\ndata: half'))).toEqual([]);
  });
});
