// What the whole page shares: who is here, settings, agents, models.
import * as api from '../api';
import { follow } from '../api/sse';
import { ApiError } from '../api/http';
import type { Abilities, Agent, AgentList, ModelList, ServerEvent, Session, Settings } from '../api/types';
import { setLocale } from '../i18n/index.svelte';

export type Phase = 'starting' | 'unreachable' | 'login' | 'ready';

type Listener = (event: ServerEvent) => void;

class App {
  phase = $state<Phase>('starting');
  session = $state.raw<Session | null>(null);
  settings = $state.raw<Settings>({});
  agents = $state.raw<Agent[]>([]);
  agentErrors = $state.raw<AgentList['errors']>([]);
  models = $state.raw<ModelList>({ items: [], memory: { budget: 0, used: 0 } });
  abilities = $state.raw<Abilities>({
    code: { available: false, reason: '' },
    web: { available: false, reason: '' },
  });
  /** Opened by people on a phone; a wide window has its own switch. */
  drawer = $state(false);
  sidebar = $state(readFlag('jiang.sidebar', true));
  help = $state(false);

  private readonly listeners = new Set<Listener>();

  get isVisitor(): boolean {
    return this.session?.user?.role === 'visitor';
  }
  get isOwner(): boolean {
    return this.session?.user?.role === 'owner';
  }
  get defaultModel(): string {
    return this.models.items.find((model) => model.default)?.name ?? '';
  }
  /** The agent that greets: the visitor's, or the first built-in one. */
  get greeter(): Agent | undefined {
    const shared = this.session?.share?.agent;
    return this.agents.find((agent) => agent.id === shared) ?? this.agents.find((agent) => agent.built_in) ?? this.agents[0];
  }

  agent(id: string | null): Agent | undefined {
    return id === null ? undefined : this.agents.find((agent) => agent.id === id);
  }

  async start(): Promise<void> {
    // All at once: the first screen needs them, and a visitor or a stranger is refused some.
    const others = Promise.all([this.loadSettings(), this.loadAgents(), this.loadModels(), this.loadAbilities()]);
    others.catch(() => undefined);
    try {
      this.session = await api.getSession();
    } catch {
      this.phase = 'unreachable';
      setTimeout(() => void this.start(), 1500);
      return;
    }
    if (!this.session.user) {
      this.phase = 'login';
      return;
    }
    await others;
    this.phase = 'ready';
    this.listen();
  }

  async loadSettings(): Promise<void> {
    await tolerate(async () => {
      this.settings = await api.getSettings();
      this.applySettings();
    });
  }
  async loadAgents(): Promise<void> {
    await tolerate(async () => {
      const list = await api.listAgents();
      this.agents = list.items;
      this.agentErrors = list.errors;
    });
  }
  async loadModels(): Promise<void> {
    await tolerate(async () => {
      this.models = await api.listModels();
    });
  }
  private async loadAbilities(): Promise<void> {
    await tolerate(async () => {
      this.abilities = await api.getAbilities();
    });
  }

  async change(settings: Settings): Promise<void> {
    this.settings = { ...this.settings, ...settings };
    this.applySettings();
    if (this.session?.user && !this.isVisitor) this.settings = await api.patchSettings(settings);
  }

  toggleSidebar(): void {
    if (window.matchMedia('(max-width: 860px)').matches) {
      this.drawer = !this.drawer;
    } else {
      this.sidebar = !this.sidebar;
      writeFlag('jiang.sidebar', this.sidebar);
    }
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private applySettings(): void {
    applyLook(this.settings);
    // So that the next visit has its colours and language before the server answers.
    write('jiang.look', JSON.stringify({ locale: this.settings.locale ?? '', theme: this.settings.theme ?? '' }));
  }

  // Browsers open six connections to a server: a tab in the background gives its one back.
  private listen(): void {
    let line: AbortController | null = null;
    const open = () => {
      if (line || document.hidden) return;
      const controller = new AbortController();
      line = controller;
      let lost = false;
      void follow<ServerEvent>({
        path: () => 'events',
        signal: controller.signal,
        onEvents: (events) => {
          for (const { event } of events) this.dispatch(event);
        },
        onLink: (up) => {
          if (up && lost) this.catchUp();
          lost = !up;
        },
      }).catch((cause: unknown) => {
        // The session was ended elsewhere: what is on screen is no longer this person's to see.
        if (cause instanceof ApiError && cause.status === 401) this.phase = 'login';
      });
    };
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) {
        line?.abort();
        line = null;
      } else {
        this.catchUp();
        open();
      }
    });
    open();
  }

  private catchUp(): void {
    this.dispatch({ type: 'agents' });
    this.dispatch({ type: 'models' });
    this.dispatch({ type: 'conversation', id: '' });
  }

  private dispatch(event: ServerEvent): void {
    if (event.type === 'agents') void this.loadAgents();
    if (event.type === 'models') void this.loadModels();
    for (const listener of this.listeners) listener(event);
  }
}

async function tolerate(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!(cause instanceof ApiError)) throw cause;
  }
}

export function applyLook(look: { locale?: string; theme?: string }): void {
  setLocale(look.locale === 'zh-CN' || look.locale === 'en' ? look.locale : '');
  const theme = look.theme === 'dark' || look.theme === 'light' ? look.theme : '';
  if (theme) document.documentElement.dataset['theme'] = theme;
  else delete document.documentElement.dataset['theme'];
}

export function rememberedLook(): { locale?: string; theme?: string } {
  try {
    return JSON.parse(localStorage.getItem('jiang.look') ?? '{}') as { locale?: string; theme?: string };
  } catch {
    return {};
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A private window may have no storage: nothing of importance is kept there.
  }
}

function readFlag(key: string, otherwise: boolean): boolean {
  try {
    const value = localStorage.getItem(key);
    return value === null ? otherwise : value === '1';
  } catch {
    return otherwise;
  }
}

function writeFlag(key: string, value: boolean): void {
  write(key, value ? '1' : '0');
}

export const app = new App();
