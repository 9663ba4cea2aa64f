import { describe, expect, it } from 'vitest';
import { parseRoute, routes } from './router.svelte';

describe('routes', () => {
  it('come back as what they were made from', () => {
    expect(parseRoute(routes.chat('a/b 匠'))).toMatchObject({ name: 'chat', id: 'a/b 匠' });
    expect(parseRoute(routes.agent('代码匠'))).toMatchObject({ name: 'agent', id: '代码匠' });
    expect(parseRoute(routes.agentEdit('代码匠'))).toMatchObject({ name: 'agent-edit', id: '代码匠' });
    expect(parseRoute(routes.agentNew())).toMatchObject({ name: 'agent-edit', id: '' });
    expect(parseRoute(routes.newChat('代码匠')).query.get('agent')).toBe('代码匠');
    expect(parseRoute(routes.temporary('x')).query.get('temporary')).toBe('1');
  });
  it('of unknown or broken addresses lead home', () => {
    expect(parseRoute('#/nowhere')).toMatchObject({ name: 'chat', id: '' });
    expect(parseRoute('#/c/%E4%BD')).toMatchObject({ name: 'chat', id: '%E4%BD' });
    expect(parseRoute('')).toMatchObject({ name: 'chat', id: '' });
  });
});
