// One side of the workbench: a setting, and the answer that it gave.
import * as api from '../api';
import { follow } from '../api/sse';
import type { ChatSettings, Json, Message, RunEvent } from '../api/types';
import { applyEvent, emptyAnswer, joinEvents, waiting, type Progress } from '../lib/run';
import { app } from '../state/app.svelte';

export class Trial {
  system = $state('');
  model = $state('');
  parameters = $state.raw<{ [key: string]: Json | undefined }>({});
  answer = $state<Message | null>(null);
  progress = $state<Progress>(waiting());
  running = $state(false);
  private id = '';
  private line: AbortController | null = null;

  request(question: string, system: string): api.TemporaryRun {
    const settings: ChatSettings = { ...this.parameters };
    if (system.trim() !== '') settings.system = system;
    const body: api.TemporaryRun = { messages: [{ role: 'user', content: question }], settings };
    const model = this.model || app.defaultModel;
    if (model) body.model = model;
    return body;
  }

  async run(body: api.TemporaryRun): Promise<void> {
    await this.stop();
    const line = new AbortController();
    this.line = line;
    this.running = true;
    this.answer = emptyAnswer('trial', null);
    this.progress = waiting();
    const message = this.answer;
    try {
      const { run } = await api.postTemporary(body);
      this.id = run;
      await follow<RunEvent>({
        path: api.runEventsPath(run),
        signal: line.signal,
        onEvents: (events) => joinEvents(events.map(({ event }) => event)).some((event) => applyEvent(message, this.progress, event)),
      });
    } finally {
      if (this.line === line) {
        this.line = null;
        this.running = false;
        this.id = '';
      }
    }
  }

  async stop(): Promise<void> {
    if (this.id) await api.stopRun(this.id).catch(() => undefined);
  }
}
