import { describe, expect, it } from 'vitest';
import { en } from './en';
import { zh } from './zh';

type Leaf = { path: string; value: unknown };

function leaves(at: unknown, path = ''): Leaf[] {
  if (typeof at !== 'object' || at === null) return [{ path, value: at }];
  return Object.entries(at).flatMap(([key, value]) => leaves(value, path ? `${path}.${key}` : key));
}

const say = ({ value }: Leaf): string =>
  typeof value === 'function' ? String((value as (...a: unknown[]) => unknown)('一', 2, 3)) : String(value);

describe('dictionaries', () => {
  it('have the same keys', () => {
    expect(leaves(en).map((l) => l.path)).toEqual(leaves(zh).map((l) => l.path));
  });
  it('leave nothing empty, and functions take as many values', () => {
    const others = new Map(leaves(en).map((l) => [l.path, l.value]));
    for (const leaf of leaves(zh)) {
      expect(say(leaf), leaf.path).not.toBe('');
      expect(say({ path: leaf.path, value: others.get(leaf.path) }), leaf.path).not.toBe('');
      const other = others.get(leaf.path);
      expect(typeof other, leaf.path).toBe(typeof leaf.value);
    }
  });
  it('are in their own language', () => {
    for (const leaf of leaves(en)) {
      if (leaf.path === 'app.title' || typeof leaf.value === 'function') continue;
      expect(say(leaf), leaf.path).not.toMatch(/\p{Script=Han}/u);
    }
    const latin = leaves(zh).filter((l) => !/\p{Script=Han}/u.test(say(l)) && typeof l.value !== 'function');
    expect(latin.map((l) => l.path)).toEqual(['chat.topP', 'settings.enter', 'settings.modEnter']);
  });
});
