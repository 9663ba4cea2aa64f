// Puts rendered blocks into the page. Second wall after the parser: only elements and attributes of
// the list below pass, whatever the HTML says. What has not changed is not touched, so that a
// selection, a formula and a scrolled code block stay as they are while the text grows.
import { isSafeLink } from './parser';

const ELEMENTS = new Set([
  'P', 'BR', 'STRONG', 'EM', 'S', 'CODE', 'PRE', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'UL', 'OL', 'LI', 'BLOCKQUOTE',
  'HR', 'TABLE', 'THEAD', 'TBODY', 'TR', 'TH', 'TD', 'A', 'SPAN', 'DIV',
]);
const ATTRIBUTES = new Set(['href', 'title', 'target', 'rel', 'start', 'class', 'data-code', 'data-tex', 'data-display']);
const CLASSES = new Set(['table', 'align-left', 'align-center', 'align-right', 'remote-image', 'math-open']);

/** Makes live what is more than text: a code block, a formula. */
export interface Enhancer {
  /** A stand-in for `source`, or null to take it as it is. */
  create(source: Element): Element | null;
  /** `live` was made by create(); false: make a new one. */
  update(live: Element, source: Element): boolean;
  destroy(live: Element): void;
}

function clean(parent: ParentNode): void {
  for (const element of Array.from(parent.children)) {
    if (!ELEMENTS.has(element.tagName)) {
      element.replaceWith(document.createTextNode(element.textContent ?? ''));
      continue;
    }
    for (const { name, value } of Array.from(element.attributes)) {
      const allowed =
        ATTRIBUTES.has(name) &&
        (name !== 'href' || (element.tagName === 'A' && isSafeLink(value))) &&
        (name !== 'class' || CLASSES.has(value));
      if (!allowed) element.removeAttribute(name);
    }
    clean(element);
  }
}

/** A template's content is inert: nothing in it runs or loads while it is cleaned. */
export function toFragment(html: string): DocumentFragment {
  const template = document.createElement('template');
  template.innerHTML = html;
  clean(template.content);
  return template.content;
}

const sources = new WeakMap<Element, true>();

function isLive(node: Node): node is Element {
  return node.nodeType === Node.ELEMENT_NODE && sources.has(node as Element);
}

export class BlockView {
  private readonly blocks: { key: number; html: string; host: HTMLElement }[] = [];

  constructor(
    private readonly root: HTMLElement,
    private readonly enhancer: Enhancer,
  ) {}

  show(blocks: readonly { key: number; html: string }[]): void {
    while (this.blocks.length > blocks.length) this.drop();
    blocks.forEach((block, i) => {
      let shown = this.blocks[i];
      if (!shown) {
        const host = document.createElement('div');
        this.root.append(host);
        shown = { key: block.key, html: '', host };
        this.blocks.push(shown);
      }
      if (shown.html === block.html) return;
      shown.html = block.html;
      this.morph(shown.host, toFragment(block.html));
    });
  }

  destroy(): void {
    while (this.blocks.length > 0) this.drop();
  }

  private drop(): void {
    const last = this.blocks.pop();
    if (!last) return;
    this.release(last.host);
    last.host.remove();
  }

  private morph(live: Node, wanted: Node): void {
    const targets = Array.from(wanted.childNodes);
    targets.forEach((target, i) => {
      const node = live.childNodes[i];
      if (!node) {
        live.appendChild(this.build(target));
      } else if (isLive(node)) {
        if (!(target instanceof Element && this.enhancer.update(node, target))) this.replace(node, target);
      } else if (node.nodeType === Node.TEXT_NODE && target.nodeType === Node.TEXT_NODE) {
        this.growText(node as Text, target.nodeValue ?? '');
      } else if (node instanceof Element && target instanceof Element && sameShape(node, target)) {
        this.morph(node, target);
      } else {
        this.replace(node, target);
      }
    });
    while (live.childNodes.length > targets.length) {
      const extra = live.lastChild;
      if (!extra) break;
      this.release(extra);
      extra.remove();
    }
  }

  // Appending keeps a selection inside the text; setting it would drop it.
  private growText(node: Text, text: string): void {
    if (node.data === text) return;
    if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
    else node.data = text;
  }

  private replace(node: ChildNode, target: Node): void {
    this.release(node);
    node.replaceWith(this.build(target));
  }

  private build(target: Node): Node {
    if (!(target instanceof Element)) return document.createTextNode(target.nodeValue ?? '');
    const special = this.enhancer.create(target);
    if (special) {
      sources.set(special, true);
      return special;
    }
    const made = document.importNode(target, false);
    for (const child of Array.from(target.childNodes)) made.appendChild(this.build(child));
    return made;
  }

  private release(node: Node): void {
    if (isLive(node)) {
      this.enhancer.destroy(node);
      return;
    }
    node.childNodes.forEach((child) => this.release(child));
  }
}

function sameShape(a: Element, b: Element): boolean {
  if (a.tagName !== b.tagName || a.attributes.length !== b.attributes.length) return false;
  if (b.hasAttribute('data-code') || b.hasAttribute('data-tex')) return false;
  return Array.from(b.attributes).every(({ name, value }) => a.getAttribute(name) === value);
}
