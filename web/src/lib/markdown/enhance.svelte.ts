// Code blocks and formulas of an answer, as live elements.
import { mount, unmount } from 'svelte';
import CodeBlock from '../../chat/CodeBlock.svelte';
import type { Enhancer } from './dom';
import { createFormula } from './formula';

interface CodeProps {
  code: string;
  language: string;
  streaming: boolean;
}

export class AnswerEnhancer implements Enhancer {
  private readonly codes = new Map<Element, { props: CodeProps; component: Record<string, unknown> }>();
  private streaming = false;

  setStreaming(streaming: boolean): void {
    this.streaming = streaming;
    for (const { props } of this.codes.values()) props.streaming = streaming;
  }

  create(source: Element): Element | null {
    const language = source.getAttribute('data-code');
    if (source.tagName === 'PRE' && language !== null) {
      const host = document.createElement('div');
      const props: CodeProps = $state({ code: source.textContent ?? '', language, streaming: this.streaming });
      this.codes.set(host, { props, component: mount(CodeBlock, { target: host, props }) });
      return host;
    }
    const tex = source.getAttribute('data-tex');
    return tex === null ? null : createFormula(tex, source.hasAttribute('data-display'));
  }

  update(live: Element, source: Element): boolean {
    const code = this.codes.get(live);
    if (code) {
      const language = source.getAttribute('data-code');
      if (source.tagName !== 'PRE' || language === null) return false;
      code.props.code = source.textContent ?? '';
      code.props.language = language;
      return true;
    }
    return live instanceof HTMLElement && live.dataset['texSource'] === source.getAttribute('data-tex');
  }

  destroy(live: Element): void {
    const code = this.codes.get(live);
    if (!code) return;
    this.codes.delete(live);
    void unmount(code.component);
  }
}
