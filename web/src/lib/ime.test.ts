import { describe, expect, it, vi } from 'vitest';
import { handleKey, isComposing } from './ime';

function key(name: string, more: Partial<KeyboardEvent> = {}): KeyboardEvent {
  return {
    key: name, isComposing: false, keyCode: 0, shiftKey: false, altKey: false, ctrlKey: false, metaKey: false,
    preventDefault: vi.fn(), stopPropagation: vi.fn(), ...more,
  } as unknown as KeyboardEvent;
}

describe('keys of an input', () => {
  it('belong to the input method while it composes, in both spellings', () => {
    expect(isComposing(key('Enter', { isComposing: true }))).toBe(true);
    expect(isComposing(key('Enter', { keyCode: 229 }))).toBe(true);
    expect(isComposing(key('Enter', { keyCode: 13 }))).toBe(false);
  });
  it('do nothing while composing', () => {
    const handlers = { onEnter: vi.fn(), onEscape: vi.fn(), onArrowUp: vi.fn() };
    for (const name of ['Enter', 'Escape', 'ArrowUp']) {
      const event = key(name, { keyCode: 229 });
      handleKey(event, handlers);
      expect(event.preventDefault).not.toHaveBeenCalled();
    }
    expect(handlers.onEnter).not.toHaveBeenCalled();
    expect(handlers.onEscape).not.toHaveBeenCalled();
    expect(handlers.onArrowUp).not.toHaveBeenCalled();
  });
  it('send with Enter and make a line with Shift+Enter', () => {
    const onEnter = vi.fn();
    handleKey(key('Enter', { shiftKey: true }), { onEnter });
    expect(onEnter).not.toHaveBeenCalled();
    handleKey(key('Enter'), { onEnter });
    expect(onEnter).toHaveBeenCalledOnce();
  });
  it('send only with Ctrl+Enter where a person asked for that', () => {
    const onEnter = vi.fn();
    handleKey(key('Enter'), { onEnter, modifierEnter: true });
    expect(onEnter).not.toHaveBeenCalled();
    handleKey(key('Enter', { ctrlKey: true }), { onEnter, modifierEnter: true });
    expect(onEnter).toHaveBeenCalledOnce();
  });
});
