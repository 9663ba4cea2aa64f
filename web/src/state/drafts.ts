// What was typed and not sent survives a reload. Only in this browser, and never for a temporary chat.
const PREFIX = 'jiang.draft.';
const MAX = 100_000;

export function readDraft(place: string): string {
  try {
    return localStorage.getItem(PREFIX + place) ?? '';
  } catch {
    return '';
  }
}

export function writeDraft(place: string, text: string): void {
  try {
    if (text === '') localStorage.removeItem(PREFIX + place);
    else if (text.length <= MAX) localStorage.setItem(PREFIX + place, text);
  } catch {
    // No storage or no room: the text is still in the box.
  }
}
