// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { BlockView, toFragment, type Enhancer } from './dom';
import { IncrementalMarkdown } from './incremental';

const none: Enhancer = { create: () => null, update: () => false, destroy: () => undefined };

function htmlOf(fragment: DocumentFragment): string {
  const host = document.createElement('div');
  host.append(fragment.cloneNode(true));
  return host.innerHTML;
}

describe('the second wall', () => {
  it('lets only listed elements pass, whatever the parser did', () => {
    const html = htmlOf(toFragment('<p>a<script>b()</script><img src="x" onerror="c()"><iframe src="d"></iframe></p><form>e</form>'));
    expect(html).not.toMatch(/<(script|img|iframe|form)/i);
    expect(html).toContain('a');
  });
  it('lets only listed attributes, safe links and known classes pass', () => {
    const html = htmlOf(toFragment(
      '<p onclick="x" style="y" id="z" class="card">a</p><a href="javascript:x">b</a><a href="https://e.example" target="_blank">c</a><p href="https://e.example">d</p><td class="align-right">e</td>'));
    expect(html).not.toMatch(/onclick|style|id=|class="card"|javascript/);
    expect(html).toContain('href="https://e.example"');
    expect(html).toContain('<p>d</p>');
  });
});

describe('blocks in the page', () => {
  it('keep the nodes that did not change', () => {
    const root = document.createElement('div');
    const view = new BlockView(root, none);
    const markdown = new IncrementalMarkdown();
    view.show(markdown.update('first\n\nsec', true));
    const [first, second] = Array.from(root.children);
    const text = second?.querySelector('p')?.firstChild;
    view.show(markdown.update('first\n\nsecond **bold** and', true));
    expect(root.children[0]).toBe(first);
    expect(second?.querySelector('p')?.firstChild).toBe(text);
    expect(root.textContent).toContain('second bold and');
    view.show(markdown.update('first\n\nsecond **bold** and more\n\n- a\n- b\n', false));
    expect(root.querySelectorAll('li').length).toBe(2);
  });
  it('end as if rendered at once, whatever came in between', () => {
    const text = '# T\n\n- a\n  - b\n\n| x | y |\n|--|--|\n| 1 | 2 |\n\n> q\n\n`code` **b** [l](https://e.example)\n\nend';
    const grown = document.createElement('div');
    const view = new BlockView(grown, none);
    const markdown = new IncrementalMarkdown();
    for (let end = 1; end < text.length; end += 1) view.show(markdown.update(text.slice(0, end), true));
    view.show(markdown.update(text, false));
    const whole = document.createElement('div');
    new BlockView(whole, none).show(new IncrementalMarkdown().update(text, false));
    expect(grown.innerHTML).toBe(whole.innerHTML);
  });
  it('create, update and destroy what is live', () => {
    const log: string[] = [];
    const live: Enhancer = {
      create(source) {
        if (!source.hasAttribute('data-code')) return null;
        log.push('create');
        return document.createElement('section');
      },
      update(_, source) {
        log.push(`update ${source.textContent}`);
        return source.hasAttribute('data-code');
      },
      destroy: () => void log.push('destroy'),
    };
    const root = document.createElement('div');
    const view = new BlockView(root, live);
    const markdown = new IncrementalMarkdown();
    view.show(markdown.update('```c\na', true));
    view.show(markdown.update('```c\nab', true));
    view.destroy();
    expect(log).toEqual(['create', 'update ab', 'destroy']);
    expect(root.children.length).toBe(0);
  });
});
