// The shapes of docs/api.md. A test drives the mock and, in tests/e2e, the real server with them.

export type Role = 'user' | 'assistant' | 'tool' | 'system';
export type MessageStatus = 'done' | 'running' | 'stopped' | 'interrupted' | 'error' | 'length';
export type Feedback = 1 | -1 | null;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Parameters = { [key: string]: Json };

export interface User {
  id: string;
  name: string;
  role: 'owner' | 'user' | 'visitor';
}

export interface Session {
  user: User | null;
  keyless: boolean;
  version: string;
  share: { kind: 'agent' | 'conversation'; id: string; agent: string } | null;
}

export interface Settings {
  locale?: 'zh-CN' | 'en' | '';
  theme?: 'light' | 'dark' | '';
  default_model?: string;
  send_key?: 'enter' | 'mod-enter';
  show_stats?: boolean;
  pinned_agents?: string[];
  small_card_hidden?: boolean;
}

export interface ChatSettings {
  system?: string;
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  seed?: number;
  thinking?: boolean;
  [key: string]: Json | undefined;
}

export interface Conversation {
  id: string;
  title: string;
  agent_id: string | null;
  model: string;
  folder: string;
  pinned: boolean;
  created: number;
  updated: number;
  leaf: string | null;
  running?: boolean;
  settings: ChatSettings;
  snippet?: string;
}

export interface Stats {
  prompt_tokens: number;
  cached_tokens: number;
  generated_tokens: number;
  ttft_ms: number;
  prefill_tps: number;
  decode_tps: number;
  context_used: number;
  context: number;
}

export type Part =
  | { type: 'tool_call'; id: string; name: string; arguments: string }
  | { type: 'tool_result'; id: string; name: string; ok: boolean; output: string; millis: number }
  | { type: 'code'; id?: string; language: string; code: string }
  | {
      type: 'execution';
      id?: string;
      out: string;
      err: string;
      end: string;
      exit_code: number | null;
      compiled?: boolean;
      diagnostics?: string;
      signal?: number;
      hint?: string;
      files: { name: string; bytes: number; url: string }[];
    }
  | { type: 'sources'; id?: string; items: { n: number; title: string; url: string; quote: string }[] }
  | { type: 'approval'; id: string; name: string; arguments: string; answer: ApprovalAnswer | null };
export type ApprovalAnswer = 'once' | 'always' | 'deny';

export interface Message {
  id: string;
  parent: string | null;
  role: Role;
  content: string;
  reasoning: string;
  parts: Part[];
  status: MessageStatus;
  error: string | null;
  created: number;
  model: string;
  stats: Stats | null;
  feedback: Feedback;
  run: string | null;
  run_event?: number;
  attachments?: { name: string; bytes: number }[];
}

export type RunEvent =
  | { type: 'queued'; position: number }
  | { type: 'loading'; model: string; progress: number }
  | { type: 'prefill'; done: number; total: number; eta_ms: number }
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  | { type: 'part'; part: Part }
  | { type: 'title'; title: string }
  | { type: 'error'; message: string; code: string }
  | { type: 'done'; status: MessageStatus; stats: Stats | null; message: Message | null };

export interface Agent {
  id: string;
  name: string;
  avatar: string;
  introduction: string;
  instructions?: string;
  skills: string[];
  code: boolean;
  web: boolean;
  opening: string;
  questions: string[];
  model: string;
  parameters?: Parameters; // not for who may only chat with it, as the instructions
  built_in: boolean;
  file?: boolean;
  mine?: boolean;
  warning?: string | null;
}

export interface AgentList {
  items: Agent[];
  errors: { file: string; line: number; message: string }[];
}

export interface Ability {
  available: boolean;
  reason: string;
}
export interface Abilities {
  code: Ability;
  web: Ability;
}

export interface Share {
  token: string;
  url: string;
  kind: 'agent' | 'conversation';
  id: string;
  level: 'link' | 'server';
}

export interface Model {
  name: string;
  provider: string;
  bytes: number;
  parameters: number;
  type: string;
  context: number;
  loaded: boolean;
  loading: boolean;
  load_progress: number;
  memory_bytes: number;
  memory_needed: number;
  tokens_per_second: number | null;
  capabilities: string[];
  small: boolean;
  default: boolean;
}
export interface ModelList {
  items: Model[];
  memory: { budget: number; used: number };
}

export interface CatalogueItem {
  name: string;
  title: string;
  parameters: number;
  bytes: number;
  memory_needed: number;
  licence: string;
  fits: boolean;
  expected_tps: number | null;
  recommended: boolean;
  installed: boolean;
}

export type PullEvent =
  | {
      type: 'progress';
      file: string;
      done: number;
      total: number;
      bytes_per_second: number;
      eta_s: number;
      phase: string;
    }
  | { type: 'done'; model: string }
  | { type: 'error'; message: string };
export interface Pull {
  id: string;
  name: string;
  done: number;
  total: number;
  phase: string;
}

export interface RunCodeResult {
  compile: { ok: boolean; diagnostics: string; millis: number };
  run: {
    end: string;
    exit_code: number;
    signal: number | string | null;
    out: string;
    err: string;
    out_cut: boolean;
    err_cut: boolean;
    millis: number;
    hint: string;
  } | null;
  files: { name: string; bytes: number; url?: string }[];
}

export interface ExactPrompt {
  segments: { text: string; from_template: boolean }[];
  tokens: { id: number; text: string }[];
  count: number;
}

export interface Preset {
  name: string;
  system: string;
  model: string;
  parameters: Parameters;
}

export interface ApiKey {
  id: string;
  name: string;
  created: number;
}

export type ServerEvent =
  | { type: 'agents' }
  | { type: 'models' }
  | { type: 'conversation'; id: string };

export interface ChatTurn {
  role: Role;
  content: string;
}
