// A conversation is a tree of messages; the page shows the path from a root to a leaf.
import type { Message } from '../api/types';

type Node = Pick<Message, 'id' | 'parent' | 'created'>;

/** Built once per change, so that a chat of 500 messages is walked once and not 500 times. */
export class Tree<T extends Node = Message> {
  private readonly byId = new Map<string, T>();
  private readonly byParent = new Map<string | null, T[]>();

  constructor(messages: Iterable<T>) {
    for (const message of messages) {
      this.byId.set(message.id, message);
      const siblings = this.byParent.get(message.parent);
      if (siblings) siblings.push(message);
      else this.byParent.set(message.parent, [message]);
    }
    for (const siblings of this.byParent.values()) {
      siblings.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
    }
  }

  /** Children of `parent` (null: first messages), in the order they were made. */
  children(parent: string | null): readonly T[] {
    return this.byParent.get(parent) ?? [];
  }

  /** From the first message to `leaf`. A leaf that is not there gives the newest path. */
  path(leaf: string | null): T[] {
    const path: T[] = [];
    const seen = new Set<string>();
    let at = leaf === null ? undefined : this.byId.get(leaf);
    if (!at) {
      const newest = this.newestLeaf(null);
      at = newest === null ? undefined : this.byId.get(newest);
    }
    while (at && !seen.has(at.id)) {
      seen.add(at.id);
      path.push(at);
      at = at.parent === null ? undefined : this.byId.get(at.parent);
    }
    return path.reverse();
  }

  /** Goes down from `from` by the newest child each time. */
  newestLeaf(from: string | null): string | null {
    const seen = new Set<string>();
    let at = from;
    for (;;) {
      const last = this.children(at).at(-1);
      if (!last || seen.has(last.id)) return at;
      seen.add(last.id);
      at = last.id;
    }
  }

  /** Ids of those that stand in the same place, and which of them this is, from 0. */
  siblings(message: T): { index: number; ids: string[] } {
    const ids = this.children(message.parent).map((sibling) => sibling.id);
    return { index: ids.indexOf(message.id), ids };
  }

  /** `id` and all below it. */
  subtree(id: string): string[] {
    const found = new Set([id]);
    for (const at of found) {
      for (const child of this.children(at)) found.add(child.id);
    }
    return [...found];
  }
}
