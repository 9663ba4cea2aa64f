import { describe, expect, it } from 'vitest';
import { Tree } from './tree';

function tree(rows: [id: string, parent: string | null][]) {
  return new Tree(rows.map(([id, parent], created) => ({ id, parent, created })));
}
const ids = (path: { id: string }[]) => path.map((m) => m.id);
const grown = tree([['q1', null], ['a1', 'q1'], ['a2', 'q1'], ['q2', 'a2'], ['a3', 'q2'], ['q1b', null]]);

describe('tree of messages', () => {
  it('gives the path to a leaf', () => {
    expect(ids(grown.path('a3'))).toEqual(['q1', 'a2', 'q2', 'a3']);
    expect(ids(grown.path('a1'))).toEqual(['q1', 'a1']);
  });
  it('takes the newest path when the leaf is gone', () => {
    expect(ids(grown.path('gone'))).toEqual(['q1b']);
    expect(tree([]).path(null)).toEqual([]);
  });
  it('counts siblings, first messages too', () => {
    expect(grown.siblings({ id: 'a2', parent: 'q1', created: 2 })).toEqual({ index: 1, ids: ['a1', 'a2'] });
    expect(grown.siblings({ id: 'q1b', parent: null, created: 5 })).toEqual({ index: 1, ids: ['q1', 'q1b'] });
  });
  it('goes down to the newest leaf, and lists what a deletion takes', () => {
    expect(grown.newestLeaf('q1')).toBe('a3');
    expect(grown.subtree('a2')).toEqual(['a2', 'q2', 'a3']);
  });
  it('ends on a circle that a broken import might hold', () => {
    const broken = tree([['x', 'y'], ['y', 'x']]);
    expect(broken.path('x').length).toBe(2);
    expect(broken.newestLeaf('x')).toBeTypeOf('string');
    expect(broken.subtree('x').length).toBe(2);
  });
});
