// Downloads of models: one for all who ask, followed by every view that shows it.
import { SvelteMap } from 'svelte/reactivity';
import * as api from '../api';
import { follow } from '../api/sse';
import type { PullEvent } from '../api/types';
import { t } from '../i18n/index.svelte';
import { app } from './app.svelte';
import { attempt, errorText, toast } from './toasts.svelte';

export interface PullState {
  id: string;
  name: string;
  done: number;
  total: number;
  rate: number;
  etaSeconds: number | null;
  phase: string;
  error: string;
}

class Pulls {
  readonly byName = new SvelteMap<string, PullState>();
  private readonly lines = new Map<string, AbortController>();

  async start(name: string): Promise<void> {
    await attempt(async () => {
      const { pull } = await api.postPull(name);
      this.follow(pull, name);
    });
  }

  /** Those that others, or an earlier visit, began. */
  async find(): Promise<void> {
    try {
      for (const pull of (await api.listPulls()).items) this.follow(pull.id, pull.name, pull.done, pull.total);
    } catch {
      // Nothing is downloaded here, or this person may not see it.
    }
  }

  async cancel(name: string): Promise<void> {
    const state = this.byName.get(name);
    if (!state) return;
    await attempt(() => api.deletePull(state.id));
    this.lines.get(name)?.abort();
    this.lines.delete(name);
    this.byName.delete(name);
  }

  private follow(id: string, name: string, done = 0, total = 0): void {
    if (this.lines.has(name)) return;
    const line = new AbortController();
    this.lines.set(name, line);
    const put = (change: Partial<PullState>) => {
      const old = this.byName.get(name) ?? { id, name, done, total, rate: 0, etaSeconds: null, phase: '', error: '' };
      this.byName.set(name, { ...old, ...change });
    };
    put({ error: '' });
    follow<PullEvent>({
      path: api.pullEventsPath(id),
      signal: line.signal,
      onEvents: (events) => {
        for (const { event } of events) {
          if (event.type === 'progress') {
            put({ done: event.done, total: event.total, rate: event.bytes_per_second, etaSeconds: event.eta_s, phase: event.phase });
          } else if (event.type === 'done') {
            this.byName.delete(name);
            toast(t().models.finished(event.model));
            void app.loadModels();
            return true;
          } else {
            put({ error: event.message });
            return true;
          }
        }
        return false;
      },
    })
      .catch((cause: unknown) => put({ error: errorText(cause) }))
      .finally(() => this.lines.delete(name));
  }
}

export const pulls = new Pulls();
