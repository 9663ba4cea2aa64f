import { ApiError } from '../api/http';
import { t } from '../i18n/index.svelte';

export interface Toast {
  id: number;
  text: string;
  kind: 'info' | 'error';
}

let next = 0;
export const toasts = $state<Toast[]>([]);

export function toast(text: string, kind: Toast['kind'] = 'info'): void {
  next += 1;
  const id = next;
  toasts.push({ id, text, kind });
  setTimeout(() => dismiss(id), kind === 'error' ? 8000 : 3000);
}

export function dismiss(id: number): void {
  const at = toasts.findIndex((item) => item.id === id);
  if (at >= 0) toasts.splice(at, 1);
}

export function errorText(cause: unknown): string {
  if (cause instanceof ApiError) return t().errors[cause.code] ?? (cause.message || t().errors['unknown'] || '');
  return cause instanceof Error ? cause.message : String(cause);
}

/** Runs what a click asked for; what fails is said in a toast. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') return false;
    toast(errorText(cause), 'error');
    return false;
  }
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard needs https or localhost; a hidden field works on a LAN address too.
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'visually-hidden';
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    if (!copied) toast(t().errors['copy'] ?? '', 'error');
    return copied;
  }
}
