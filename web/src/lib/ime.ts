// Enter, while a Chinese or Japanese word is being composed, belongs to the input method. Every
// input of the page that listens to keys does so through here.
//
// isComposing alone is not enough: Safari fires the keydown of the confirming Enter after
// compositionend, with isComposing false and keyCode 229.

export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

export interface KeyHandlers {
  onEnter?: (event: KeyboardEvent) => void;
  onEscape?: (event: KeyboardEvent) => void;
  onArrowUp?: (event: KeyboardEvent) => void;
  /** Enter sends only together with Ctrl or Cmd; alone it makes a line. */
  modifierEnter?: boolean;
}

export function handleKey(event: KeyboardEvent, handlers: KeyHandlers): void {
  if (isComposing(event)) return;
  if (event.key === 'Enter' && handlers.onEnter) {
    const modifier = event.ctrlKey || event.metaKey;
    const plain = !event.shiftKey && !event.altKey && !modifier;
    if (handlers.modifierEnter ? modifier : plain || modifier) {
      event.preventDefault();
      handlers.onEnter(event);
    }
  } else if (event.key === 'Escape' && handlers.onEscape) {
    // A dialog or menu around the input must not close as well.
    event.preventDefault();
    event.stopPropagation();
    handlers.onEscape(event);
  } else if (event.key === 'ArrowUp' && handlers.onArrowUp) {
    handlers.onArrowUp(event);
  }
}

/** Svelte attachment: `<input {@attach keys({ onEnter: save })}>`. */
export function keys(handlers: KeyHandlers): (node: HTMLElement) => () => void {
  return (node) => {
    const listen = (event: KeyboardEvent) => handleKey(event, handlers);
    node.addEventListener('keydown', listen);
    return () => node.removeEventListener('keydown', listen);
  };
}
