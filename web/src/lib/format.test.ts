import { describe, expect, it } from 'vitest';
import { ageOf, formatBytes, formatCount, formatSeconds, idFromName } from './format';

describe('numbers for people', () => {
  it('are short', () => {
    expect(formatBytes(0)).toBe('0 B');
    expect(formatBytes(1_530_000)).toBe('1.5 MB');
    expect(formatBytes(940_000_000)).toBe('940 MB');
    expect(formatCount(7_600_000_000)).toBe('7.6B');
    expect(formatCount(494_000_000)).toBe('494M');
    expect(formatSeconds(0.84)).toBe('0.8 s');
    expect(formatSeconds(185)).toBe('3:05');
  });
  it('count days by the calendar', () => {
    const now = new Date(2026, 4, 20, 0, 10).getTime();
    expect(ageOf(now - 5 * 60_000, now)).toBe('today');
    expect(ageOf(now - 15 * 60_000, now)).toBe('yesterday');
    expect(ageOf(now - 40 * 86_400_000, now)).toBe('older');
  });
});

describe('id of an agent', () => {
  it('keeps letters of any script', () => {
    expect(idFromName('代码匠', new Set())).toBe('代码匠');
    expect(idFromName('My  C tutor!', new Set())).toBe('my-c-tutor');
    expect(idFromName('../../etc', new Set())).toBe('etc');
    expect(idFromName('🙂', new Set())).toBe('agent');
  });
  it('is not taken and not longer than 64 bytes', () => {
    expect(idFromName('a', new Set(['a', 'a-2']))).toBe('a-3');
    expect(new TextEncoder().encode(idFromName('匠'.repeat(100), new Set())).length).toBeLessThanOrEqual(64);
  });
});
