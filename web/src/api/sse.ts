// Server-sent events over fetch: EventSource can neither be told where to go on after a reload nor
// tell a 404 from a lost line.
import { ApiError, apiUrl } from './http';

export interface SseEvent {
  id: number;
  data: string;
}

/** Bytes in any cut, events out. Lines end in \n, \r\n or \r; comments are dropped. */
export class SseParser {
  private readonly decoder = new TextDecoder();
  private rest = '';
  private id = 0;
  private data: string[] = [];

  push(chunk: Uint8Array): SseEvent[] {
    this.rest += this.decoder.decode(chunk, { stream: true });
    const events: SseEvent[] = [];
    // A final \r may be half of \r\n: it waits for what follows.
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.line(line, events);
    return events;
  }

  private line(line: string, events: SseEvent[]): void {
    if (line === '') {
      if (this.data.length > 0) events.push({ id: this.id, data: this.data.join('\n') });
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.data.push(value);
    if (field === 'id' && /^\d+$/.test(value)) this.id = Number(value);
  }
}

export interface FollowOptions<T> {
  /** The path that reads on after event `id`; called again after a lost connection. */
  path: (after: number) => string;
  after?: number;
  /** All events of one network chunk at once. True: this was the last one. */
  onEvents: (events: { id: number; event: T }[]) => boolean | void;
  /** The connection is lost (false) or there again (true). */
  onLink?: (up: boolean) => void;
  signal: AbortSignal;
}

// A dead line (a laptop that slept) sends nothing, not even the ping of every 10 s.
const SILENCE_MS = 35_000;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}

/**
 * Reads events until the last one, reconnecting after each loss where it stopped. Resolves when it
 * is over or `signal` aborts; rejects with an ApiError that trying again cannot mend (4xx).
 */
export async function follow<T>(options: FollowOptions<T>): Promise<void> {
  let after = options.after ?? 0;
  let failures = 0;
  while (!options.signal.aborted) {
    const line = new AbortController();
    const stop = () => line.abort();
    options.signal.addEventListener('abort', stop);
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, SILENCE_MS);
    };
    try {
      alive();
      const response = await fetch(apiUrl(options.path(after)), {
        credentials: 'same-origin',
        cache: 'no-store',
        headers: { Accept: 'text/event-stream' },
        signal: line.signal,
      });
      if (response.status >= 400 && response.status < 500 && response.status !== 429) {
        throw new ApiError(response.status, `http_${response.status}`, response.statusText);
      }
      if (!response.ok || !response.body) throw new Error('no stream');
      options.onLink?.(true);
      failures = 0;
      const reader = response.body.getReader();
      const parser = new SseParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        alive();
        const fresh = parser
          .push(value)
          // A server without numbers (agents, pulls) sends id 0: nothing to skip there.
          .filter((event) => event.id === 0 || event.id > after)
          .map((event) => ({ id: event.id, event: JSON.parse(event.data) as T }));
        const last = fresh.at(-1);
        if (!last) continue;
        after = Math.max(after, last.id);
        if (options.onEvents(fresh)) {
          line.abort();
          return;
        }
      }
    } catch (cause) {
      if (cause instanceof ApiError) throw cause;
      if (options.signal.aborted) return;
    } finally {
      clearTimeout(watchdog);
      options.signal.removeEventListener('abort', stop);
    }
    options.onLink?.(false);
    failures += 1;
    await pause(Math.min(250 * 2 ** failures, 5000), options.signal);
  }
}
