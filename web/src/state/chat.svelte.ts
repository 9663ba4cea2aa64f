// One open conversation: its tree, the path that is shown, and the answer that is being written.
// A temporary chat is the same thing with its tree in this page only.
import { SvelteMap } from 'svelte/reactivity';
import * as api from '../api';
import { ApiError } from '../api/http';
import { follow } from '../api/sse';
import type { ApprovalAnswer, ChatSettings, Conversation, Feedback, Message, RunEvent } from '../api/types';
import { t } from '../i18n/index.svelte';
import { applyEvent, emptyAnswer, joinEvents, waiting, type Progress } from '../lib/run';
import { Tree } from '../lib/tree';
import { app } from './app.svelte';
import { chats } from './history.svelte';
import { rename, routes } from './router.svelte';
import { attempt, errorText, toast } from './toasts.svelte';

export interface Live {
  progress: Progress;
  /** The connection is lost; the answer goes on without us. */
  lost: boolean;
  run: string;
  started: number;
  thinkingSince: number;
  thoughtMs: number;
}

function reactive<T>(value: T): T {
  const state = $state(value);
  return state;
}

let localId = 0;
function nextLocalId(): string {
  localId += 1;
  return `local-${localId}`;
}

export class Chat {
  conversation = $state.raw<Conversation | null>(null);
  agentId = $state<string | null>(null);
  model = $state('');
  settings = $state.raw<ChatSettings>({});
  temporary = $state(false);
  loading = $state(false);
  missing = $state(false);
  sending = $state(false);
  leaf = $state<string | null>(null);
  readonly messages = new SvelteMap<string, Message>();
  readonly live = new SvelteMap<string, Live>();
  /** Counts answers that ended, for the screen reader. */
  ended = $state(0);

  readonly tree = $derived(new Tree(this.messages.values()));
  readonly path = $derived(this.tree.path(this.leaf));
  readonly last = $derived(this.path.at(-1));
  readonly running = $derived(this.path.find((message) => message.status === 'running'));
  readonly agent = $derived(app.agent(this.agentId));
  readonly empty = $derived(this.messages.size === 0);

  private readonly lines = new Map<string, AbortController>();
  private generation = 0;
  /** Counts what this page added or took away, so that an older answer of the server cannot undo it. */
  private changes = 0;

  reset(agentId: string | null, temporary: boolean, model = ''): void {
    this.leave();
    this.conversation = null;
    this.agentId = agentId;
    this.model = model;
    this.settings = {};
    this.temporary = temporary;
    this.loading = false;
  }

  /** Stops listening; the answers go on. */
  leave(): void {
    this.generation += 1;
    for (const line of this.lines.values()) line.abort();
    this.lines.clear();
    if (this.temporary) {
      // Nobody can come back to a temporary answer.
      for (const live of this.live.values()) if (live.run) void api.stopRun(live.run).catch(() => undefined);
    }
    this.live.clear();
    this.messages.clear();
    this.conversation = null;
    this.leaf = null;
    this.missing = false;
    this.sending = false;
  }

  async open(id: string): Promise<void> {
    if (this.conversation?.id === id && !this.missing) return;
    this.leave();
    this.temporary = false;
    this.conversation = null;
    this.loading = true;
    await this.load(id);
  }

  /** What another tab or device did since. */
  async refresh(): Promise<void> {
    const id = this.conversation?.id;
    if (id === undefined || this.sending) return;
    await this.load(id);
  }

  private async load(id: string): Promise<void> {
    const { generation } = this;
    try {
      let answered: Awaited<ReturnType<typeof api.getConversation>>;
      let changes: number;
      do {
        ({ changes } = this);
        answered = await api.getConversation(id);
        if (generation !== this.generation) return;
      } while (changes !== this.changes);
      const { conversation, messages } = answered;
      const followedLeaf = this.conversation?.leaf === this.leaf;
      if (this.conversation === null || followedLeaf) this.leaf = conversation.leaf;
      this.take(conversation);
      this.merge(messages);
      this.missing = false;
    } catch (cause) {
      if (generation !== this.generation) return;
      if (cause instanceof ApiError && (cause.status === 404 || cause.status === 403)) this.missing = true;
      else toast(errorText(cause), 'error');
    } finally {
      if (generation === this.generation) this.loading = false;
    }
  }

  private take(conversation: Conversation): void {
    this.conversation = conversation;
    this.agentId = conversation.agent_id;
    this.model = conversation.model;
    this.settings = conversation.settings;
  }

  private merge(messages: Message[]): void {
    const there = new Set(messages.map((message) => message.id));
    for (const id of [...this.messages.keys()]) if (!there.has(id)) this.messages.delete(id);
    for (const message of messages) {
      // What we are listening to is newer than what was stored.
      if (this.lines.has(message.id)) continue;
      const old = this.messages.get(message.id);
      if (old) Object.assign(old, message);
      else this.messages.set(message.id, reactive(message));
      if (message.status === 'running' && message.run) this.listen(message.id, message.run, message.run_event ?? 0);
    }
  }

  private add(message: Message): Message {
    this.changes += 1;
    this.messages.set(message.id, reactive(message));
    return this.messages.get(message.id) ?? message;
  }

  // --- listening to an answer ---

  private listen(id: string, run: string, after: number): void {
    const message = this.messages.get(id);
    if (!message || this.lines.has(id)) return;
    const line = new AbortController();
    this.lines.set(id, line);
    this.live.set(id, reactive({
      progress: waiting(), lost: false, run, started: performance.now(), thinkingSince: 0, thoughtMs: 0,
    }));
    const live = this.live.get(id);
    if (!live) return;
    follow<RunEvent>({
      path: api.runEventsPath(run),
      after,
      signal: line.signal,
      onLink: (up) => (live.lost = !up),
      onEvents: (events) => this.receive(message, live, events.map(({ event }) => event)),
    })
      .catch(async () => {
        // The run is gone (404): the conversation has the whole message.
        if (this.temporary) {
          message.status = 'interrupted';
          return;
        }
        // Not at once: a server that still calls it running must not be asked in a circle.
        await new Promise((resolve) => setTimeout(resolve, 500));
        if (this.lines.get(id) !== line) return;
        this.lines.delete(id);
        await this.refresh();
      })
      .finally(() => {
        if (this.lines.get(id) !== line) return;
        this.lines.delete(id);
        this.live.delete(id);
      });
  }

  private receive(message: Message, live: Live, events: RunEvent[]): boolean {
    for (const event of joinEvents(events)) {
      if (event.type === 'reasoning' && live.thinkingSince === 0) live.thinkingSince = performance.now();
      if (event.type === 'text' && live.thinkingSince !== 0 && live.thoughtMs === 0) {
        live.thoughtMs = performance.now() - live.thinkingSince;
      }
      if (event.type === 'title' && this.conversation) {
        this.conversation = { ...this.conversation, title: event.title };
        chats.patch(this.conversation.id, { title: event.title });
      }
      if (applyEvent(message, live.progress, event)) {
        this.ended += 1;
        if (this.conversation) chats.patch(this.conversation.id, { running: false });
        return true;
      }
    }
    return false;
  }

  private startAnswer(answer: Message, run: string, after = 0): void {
    this.add(answer);
    this.leaf = answer.id;
    if (this.conversation) {
      this.conversation = { ...this.conversation, leaf: answer.id };
      chats.patch(this.conversation.id, { running: true, updated: Date.now() });
    }
    this.listen(answer.id, run, after);
  }

  // --- what a person does ---

  /** False: it was not sent, and the text belongs back into the box. */
  async send(text: string, attachments: api.Attachment[] = []): Promise<boolean> {
    return this.ask(this.last?.id ?? null, text, attachments);
  }

  async edit(message: Message, text: string): Promise<boolean> {
    return this.ask(message.parent, text, []);
  }

  private async ask(parent: string | null, text: string, attachments: api.Attachment[]): Promise<boolean> {
    this.sending = true;
    const { generation } = this;
    try {
      return await attempt(async () => {
        if (this.temporary) {
          const content = attachments.reduce((all, file) => `${all}\n\n${file.name}\n\`\`\`\n${file.text}\n\`\`\``, text);
          const asked = this.add({ ...emptyAnswer(nextLocalId(), parent), role: 'user', content, status: 'done' });
          this.leaf = asked.id;
          await this.answerTemporarily(asked.id);
          return;
        }
        if (!this.conversation) {
          const body: api.NewConversation = {};
          if (this.agentId !== null) body.agent_id = this.agentId;
          if (this.model) body.model = this.model;
          if (Object.keys(this.settings).length > 0) body.settings = this.settings;
          const conversation = await api.createConversation(body);
          if (generation !== this.generation) return;
          this.take(conversation);
          chats.put(conversation);
          rename(routes.chat(conversation.id));
        }
        const id = this.conversation?.id ?? '';
        const { message, answer, run } = await api.postMessage(id, parent, text, attachments);
        if (generation !== this.generation) return;
        this.add(message);
        this.startAnswer(answer, run);
      });
    } finally {
      if (generation === this.generation) this.sending = false;
    }
  }

  private async answerTemporarily(parent: string): Promise<void> {
    const messages = this.tree.path(parent).map(({ role, content }) => ({ role, content }));
    const body: api.TemporaryRun = { messages, settings: this.settings };
    if (this.agentId !== null) body.agent_id = this.agentId;
    if (this.model) body.model = this.model;
    const { run } = await api.postTemporary(body);
    this.startAnswer({ ...emptyAnswer(nextLocalId(), parent), run }, run);
  }

  async stop(): Promise<void> {
    const { running } = this;
    const run = running ? (this.live.get(running.id)?.run ?? running.run) : null;
    if (run) await attempt(() => api.stopRun(run));
  }

  async regenerate(message: Message): Promise<void> {
    const parent = message.role === 'user' ? message.id : message.parent;
    if (parent === null) return;
    await attempt(async () => {
      if (this.temporary) return this.answerTemporarily(parent);
      const { answer, run } = await api.postAnswer(this.conversation?.id ?? '', parent);
      this.startAnswer(answer, run);
    });
  }

  async continue(message: Message): Promise<void> {
    await attempt(async () => {
      const { answer, run } = await api.postContinue(this.conversation?.id ?? '', message.id);
      Object.assign(message, answer);
      this.listen(message.id, run, answer.run_event ?? 0);
    });
  }

  /** Takes the last question and its answers away; the question's text comes back. */
  async undo(): Promise<string | null> {
    const asked = this.path.findLast((message) => message.role === 'user');
    if (!asked || this.running) return null;
    return (await this.remove(asked)) ? asked.content : null;
  }

  async remove(message: Message): Promise<boolean> {
    return attempt(async () => {
      if (!this.temporary) await api.deleteMessage(message.id);
      const gone = this.tree.subtree(message.id);
      const { ids } = this.tree.siblings(message);
      const index = ids.indexOf(message.id);
      this.changes += 1;
      for (const id of gone) {
        this.lines.get(id)?.abort();
        this.messages.delete(id);
      }
      const neighbour = ids[index + 1] ?? ids[index - 1];
      await this.show(neighbour === undefined ? message.parent : this.tree.newestLeaf(neighbour));
    });
  }

  /** The path to the newest leaf below this message. */
  async select(id: string): Promise<void> {
    await this.show(this.tree.newestLeaf(id));
  }

  private async show(leaf: string | null): Promise<void> {
    this.leaf = leaf;
    if (!this.conversation || this.temporary) return;
    this.conversation = { ...this.conversation, leaf };
    if (leaf !== null) await attempt(() => api.patchConversation(this.conversation?.id ?? '', { leaf }));
  }

  async rate(message: Message, value: Feedback, comment?: string): Promise<void> {
    const before = message.feedback;
    message.feedback = value;
    if (!(await attempt(() => api.putFeedback(message.id, value, comment)))) message.feedback = before;
    else if (comment) toast(t().message.thanks);
  }

  async approve(message: Message, approval: string, answer: ApprovalAnswer): Promise<void> {
    const run = this.live.get(message.id)?.run ?? message.run;
    if (run) await attempt(() => api.answerApproval(run, approval, answer));
  }

  async change(change: api.ConversationChange): Promise<void> {
    if (change.model !== undefined) this.model = change.model;
    if (change.settings !== undefined) this.settings = change.settings;
    const { conversation } = this;
    if (!conversation) return;
    await attempt(async () => {
      this.conversation = await api.patchConversation(conversation.id, change);
      chats.soon();
    });
  }
}

export const chat = new Chat();
