// One function for each route of docs/api.md that the page uses.
import { request, segment, send } from './http';
import type {
  Abilities, Agent, AgentList, ApiKey, ApprovalAnswer, CatalogueItem, ChatSettings, ChatTurn, Conversation,
  ExactPrompt, Feedback, Message, Model, ModelList, Parameters, Preset, Pull, RunCodeResult, Session, Settings, Share, User,
} from './types';

export const getSession = () => request<Session>('GET', 'session');
export const logout = () => request<void>('POST', 'logout');
export const getSettings = () => request<Settings>('GET', 'settings');
export const patchSettings = (change: Settings) => request<Settings>('PATCH', 'settings', { body: change });

export interface ConversationQuery {
  q?: string;
  folder?: string;
  cursor?: string;
  limit?: number;
}
export function listConversations(
  query: ConversationQuery = {},
  signal?: AbortSignal,
): Promise<{ items: Conversation[]; next: string | null }> {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') search.set(key, String(value));
  }
  const tail = search.toString();
  return request('GET', `conversations${tail ? `?${tail}` : ''}`, signal ? { signal } : {});
}
export interface NewConversation {
  agent_id?: string;
  model?: string;
  title?: string;
  folder?: string;
  settings?: ChatSettings;
}
export const createConversation = (body: NewConversation) =>
  request<Conversation>('POST', 'conversations', { body });
export const getConversation = (id: string, signal?: AbortSignal) =>
  request<{ conversation: Conversation; messages: Message[] }>(
    'GET', `conversations/${segment(id)}`, signal ? { signal } : {});
export type ConversationChange = Partial<
  Pick<Conversation, 'title' | 'folder' | 'pinned' | 'leaf' | 'model' | 'settings'>
>;
export const patchConversation = (id: string, change: ConversationChange) =>
  request<Conversation>('PATCH', `conversations/${segment(id)}`, { body: change });
export const deleteConversation = (id: string) => request<void>('DELETE', `conversations/${segment(id)}`);
export const deleteMessage = (id: string) => request<void>('DELETE', `messages/${segment(id)}`);
export const putFeedback = (id: string, value: Feedback, comment?: string) =>
  request<void>('PUT', `messages/${segment(id)}/feedback`, {
    body: comment === undefined ? { value } : { value, comment },
  });
export interface Attachment {
  name: string;
  text: string;
}
export const postMessage = (id: string, parent: string | null, content: string, attachments: Attachment[]) =>
  request<{ message: Message; answer: Message; run: string }>('POST', `conversations/${segment(id)}/messages`, {
    body: attachments.length > 0 ? { parent, content, attachments } : { parent, content },
  });
export const postAnswer = (id: string, parent: string) =>
  request<{ answer: Message; run: string }>('POST', `conversations/${segment(id)}/answers`, { body: { parent } });
export const postContinue = (id: string, message: string) =>
  request<{ answer: Message; run: string }>('POST', `conversations/${segment(id)}/continue`, { body: { message } });
export async function exportConversation(id: string, format: 'json' | 'markdown' | 'html'): Promise<Blob> {
  return (await send('GET', `conversations/${segment(id)}/export?format=${format}`)).blob();
}
export const importConversations = (body: unknown) =>
  request<{ ids: string[]; skipped: unknown[] }>('POST', 'conversations/import', { body });
export async function exportFeedback(): Promise<Blob> {
  return (await send('GET', 'feedback.jsonl')).blob();
}
export const listFolders = () => request<string[]>('GET', 'folders');

export const runEventsPath = (run: string) => (after: number) => `runs/${segment(run)}/events?after=${after}`;
export const stopRun = (run: string) => request<void>('POST', `runs/${segment(run)}/stop`);
export const answerApproval = (run: string, approval: string, answer: ApprovalAnswer) =>
  request<void>('POST', `runs/${segment(run)}/approvals/${segment(approval)}`, { body: { answer } });
export interface TemporaryRun {
  messages: ChatTurn[];
  agent_id?: string;
  model?: string;
  settings?: ChatSettings;
}
export const postTemporary = (body: TemporaryRun) => request<{ run: string }>('POST', 'temporary', { body });

export const listAgents = () => request<AgentList>('GET', 'agents');
export const getAgent = (id: string) => request<Agent>('GET', `agents/${segment(id)}`);
export const putAgent = (id: string, agent: AgentDraft) =>
  request<Agent>('PUT', `agents/${segment(id)}`, { body: agent });
export type AgentDraft = Omit<Agent, 'id' | 'built_in' | 'file' | 'warning'> & { instructions: string; parameters: Parameters };
export const deleteAgent = (id: string) => request<void>('DELETE', `agents/${segment(id)}`);
export async function exportAgent(id: string, format: 'toml' | 'json'): Promise<Blob> {
  return (await send('GET', `agents/${segment(id)}/export?format=${format}`)).blob();
}
export const importAgent = (body: unknown) =>
  request<{ agent: Agent; dropped: string[] }>('POST', 'agents/import', { body });
export const draftAgent = (sentence: string, locale: string) =>
  request<{ agent: Agent; by: 'model' | 'template' }>('POST', 'agents/draft', { body: { sentence, locale } });
export const getAbilities = () => request<Abilities>('GET', 'abilities');
export const listShares = () => request<{ items: Share[] }>('GET', 'shares');
export const postShare = (kind: Share['kind'], id: string, level: Share['level']) =>
  request<Share>('POST', 'shares', { body: { kind, id, level } });
export const deleteShare = (token: string) => request<void>('DELETE', `shares/${segment(token)}`);
export const runCode = (language: string, code: string, input: string, signal: AbortSignal) =>
  request<RunCodeResult>('POST', 'run-code', { body: { language, code, input }, signal });

export const listModels = () => request<ModelList>('GET', 'models');
export const loadModel = (name: string) => request<Model>('POST', 'models/load', { body: { name } });
export const unloadModel = (name: string) => request<Model>('POST', 'models/unload', { body: { name } });
export const listCatalogue = () => request<{ items: CatalogueItem[] }>('GET', 'catalogue');
export const postPull = (name: string) => request<{ pull: string }>('POST', 'pulls', { body: { name } });
export const listPulls = () => request<{ items: Pull[] }>('GET', 'pulls');
export const pullEventsPath = (id: string) => () => `pulls/${segment(id)}/events`;
export const deletePull = (id: string) => request<void>('DELETE', `pulls/${segment(id)}`);
export const exactPrompt = (body: TemporaryRun) => request<ExactPrompt>('POST', 'prompt', { body });
export const listPresets = () => request<{ items: Preset[] }>('GET', 'presets');
export const putPreset = (preset: Preset) =>
  request<Preset>('PUT', `presets/${segment(preset.name)}`, { body: preset });
export const deletePreset = (name: string) => request<void>('DELETE', `presets/${segment(name)}`);

export const listUsers = () => request<{ items: User[] }>('GET', 'users');
export const postUser = (name: string, role: 'user' | 'owner') =>
  request<{ id: string; link: string }>('POST', 'users', { body: { name, role } });
export const deleteUser = (id: string) => request<void>('DELETE', `users/${segment(id)}`);
export const listKeys = () => request<{ items: ApiKey[] }>('GET', 'keys');
export const postKey = (name: string) => request<{ id: string; key: string }>('POST', 'keys', { body: { name } });
export const deleteKey = (id: string) => request<void>('DELETE', `keys/${segment(id)}`);
