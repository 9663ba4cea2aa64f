// What the events of a run do to the message that they write. Pure: the page, the workbench, the
// temporary chat and the tests share it.
import type { Message, Part, RunEvent } from '../api/types';

export interface Progress {
  phase: 'waiting' | 'queued' | 'loading' | 'prefill' | 'thinking' | 'writing';
  position: number;
  model: string;
  /** 0 to 1 */
  done: number;
  eta_ms: number | null;
}

export function waiting(): Progress {
  return { phase: 'waiting', position: 0, model: '', done: 0, eta_ms: null };
}

function putPart(parts: Part[], part: Part): Part[] {
  const id = 'id' in part ? part.id : undefined;
  const at = id === undefined ? -1 : parts.findIndex((p) => p.type === part.type && 'id' in p && p.id === id);
  return at < 0 ? [...parts, part] : parts.map((p, i) => (i === at ? part : p));
}

/** Changes `message` and `progress` in place. True: the run is over. */
export function applyEvent(message: Message, progress: Progress, event: RunEvent): boolean {
  switch (event.type) {
    case 'queued':
      progress.phase = 'queued';
      progress.position = event.position;
      return false;
    case 'loading':
      progress.phase = 'loading';
      progress.model = event.model;
      progress.done = event.progress;
      return false;
    case 'prefill':
      progress.phase = 'prefill';
      progress.done = event.total > 0 ? event.done / event.total : 0;
      progress.eta_ms = event.eta_ms;
      return false;
    case 'text':
      progress.phase = 'writing';
      message.content += event.text;
      return false;
    case 'reasoning':
      progress.phase = 'thinking';
      message.reasoning += event.text;
      return false;
    case 'part':
      message.parts = putPart(message.parts, event.part);
      return false;
    case 'title':
      return false;
    case 'error':
      message.error = event.message;
      return false;
    case 'done': {
      // The server's message is the truth: a lost event cannot leave a hole behind.
      if (event.message) {
        const { id, parent } = message;
        Object.assign(message, event.message, { id: event.message.id || id, parent: event.message.parent ?? parent });
      }
      message.status = event.status;
      message.stats = event.stats ?? message.stats;
      message.run = null;
      return true;
    }
  }
}

/** Writes many text events as one, so that a chunk of the network is one change of the page. */
export function joinEvents(events: RunEvent[]): RunEvent[] {
  const joined: RunEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (last && (event.type === 'text' || event.type === 'reasoning') && last.type === event.type) {
      joined[joined.length - 1] = { type: event.type, text: last.text + event.text };
    } else {
      joined.push(event);
    }
  }
  return joined;
}

export function emptyAnswer(id: string, parent: string | null): Message {
  return {
    id, parent, role: 'assistant', content: '', reasoning: '', parts: [], status: 'running', error: null,
    created: Date.now(), model: '', stats: null, feedback: null, run: null,
  };
}
