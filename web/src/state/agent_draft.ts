// An agent on its way to the form: imported, written by the server from a sentence, or a copy.
import type { Agent } from '../api/types';

let waiting: Agent | null = null;

export const agentDraft = {
  set(agent: Agent): void {
    waiting = agent;
  },
  take(): Agent | null {
    const agent = waiting;
    waiting = null;
    return agent;
  },
};
