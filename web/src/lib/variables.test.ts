import { describe, expect, it } from 'vitest';
import { fillVariables, variablesIn } from './variables';

describe('variables of a prompt', () => {
  it('are found once each, in any script', () => {
    expect(variablesIn('{{主题}} {{ level }} {{主题}}', '{{x}} { {y}} {{}}')).toEqual(['主题', 'level', 'x']);
  });
  it('are filled once, and unknown ones stay', () => {
    expect(fillVariables('{{a}} {{b}} {{c}}', { a: '{{b}}', b: '$&' })).toBe('{{b}} $& {{c}}');
    expect(fillVariables('{{constructor}}', {})).toBe('{{constructor}}');
  });
});
