// The list of conversations: paged, searched, grouped by the sidebar.
import * as api from '../api';
import type { Conversation } from '../api/types';
import { app } from './app.svelte';

class History {
  items = $state.raw<Conversation[]>([]);
  next = $state<string | null>(null);
  folders = $state.raw<string[]>([]);
  loaded = $state(false);

  start(): () => void {
    void this.reload();
    return app.subscribe((event) => {
      if (event.type === 'conversation') this.soon();
    });
  }

  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Many events in a row are one request. */
  soon(): void {
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.reload();
    }, 200);
  }

  async reload(): Promise<void> {
    try {
      const limit = Math.min(200, Math.max(40, this.items.length));
      const [page, folders] = await Promise.all([api.listConversations({ limit }), api.listFolders().catch(() => [])]);
      this.items = page.items;
      this.next = page.next;
      this.folders = folders;
      this.loaded = true;
    } catch {
      // The list of before stays; the page says elsewhere that the server is away.
    }
  }

  async more(): Promise<void> {
    if (this.next === null) return;
    const page = await api.listConversations({ cursor: this.next, limit: 40 });
    const known = new Set(this.items.map((item) => item.id));
    this.items = [...this.items, ...page.items.filter((item) => !known.has(item.id))];
    this.next = page.next;
  }

  put(conversation: Conversation): void {
    const rest = this.items.filter((item) => item.id !== conversation.id);
    const pinned = rest.filter((item) => item.pinned);
    const others = rest.filter((item) => !item.pinned);
    this.items = conversation.pinned ? [conversation, ...pinned, ...others] : [...pinned, conversation, ...others];
  }

  patch(id: string, change: Partial<Conversation>): void {
    this.items = this.items.map((item) => (item.id === id ? { ...item, ...change } : item));
  }

  remove(id: string): void {
    this.items = this.items.filter((item) => item.id !== id);
  }
}

export const chats = new History();
