import { describe, expect, it } from 'vitest';
import { IncrementalMarkdown, renderMarkdown } from './incremental';
import { looksLikeMath } from './math';
import { closeOpenMarks } from './repair';

const html = (blocks: { html: string }[]) => blocks.map((block) => block.html).join('');

const corpus: Record<string, string> = {
  plain: '你好，世界。\n\n第二段\n换行 and more.\n',
  lists: '- 一\n- 二\n  - 二点一\n    1. 深\n\n    2. 深深\n- 三\n\n  段落\n\n1. a\n2. b\n\nend',
  table: '| a | b |\n|:--|--:|\n| 1 | `x|y` |\n| **2** | 3 |\n\nafter',
  fence: 'before\n\n```c\nint main(void) {\n  return 0; /* $5 */\n}\n```\n\nafter `code` **bold**',
  unclosed: 'text\n\n```python\nprint("hi")\n\n# not a heading\n',
  nestedFence: '1. first\n\n   ```c\n   int x;\n   ```\n2. second\n\n> quote\n> ```\n> q\n> ```\n',
  headings: '# T\n\nSetext\n===\n\npara\n---\n\n***\n',
  math: 'Euler: $e^{i\\pi}+1=0$ and \\(a_b\\).\n\n$$\n\\int_0^1 x\\,dx\n$$\n\n\\[\n\\sum_i i\n\\]\n\ndone $5 and $10.',
  links: '[a](https://example.org) <https://example.org/x> https://example.org/y [b]: no\n\n![pic](https://example.org/p.png)',
  tasks: '- [ ] todo\n- [x] done\n- plain',
  emphasis: '**粗体**和*斜体*，~~删除~~ ***both*** `code` 2 * 3 * 4 snake_case_name',
  dirty: '<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n&lt;b&gt; &amp; &#x3c;',
  quotes: '> a\n> b\nlazy\n\n> c\n\n    indented code\n\n    more\n\ntext',
  emoji: '👨‍👩‍👧‍👦 é 你🙂\n\n- 🙂\n',
};

describe('incremental rendering', () => {
  for (const [name, text] of Object.entries(corpus)) {
    it(`is what rendering the whole gives, at every prefix: ${name}`, () => {
      const growing = new IncrementalMarkdown();
      for (let end = 1; end <= text.length; end += 1) {
        const prefix = text.slice(0, end);
        growing.update(prefix, true);
        const settled = new IncrementalMarkdown();
        expect(html(settled.update(prefix, false)), JSON.stringify(prefix)).toBe(renderMarkdown(prefix));
      }
      expect(html(growing.update(text, false))).toBe(renderMarkdown(text));
    });
    it(`grows to the same in steps of any size: ${name}`, () => {
      for (const step of [2, 3, 7, 31]) {
        const growing = new IncrementalMarkdown();
        for (let end = step; end < text.length; end += step) growing.update(text.slice(0, end), true);
        expect(html(growing.update(text, false)), `step ${step}`).toBe(renderMarkdown(text));
      }
    });
    it(`never changes a block that a whole line of another one followed: ${name}`, () => {
      const growing = new IncrementalMarkdown();
      const closed = new Map<number, string>();
      for (let end = 1; end <= text.length; end += 1) {
        const blocks = growing.update(text.slice(0, end), true);
        for (const block of blocks.slice(0, -2)) {
          expect(closed.get(block.key) ?? block.html).toBe(block.html);
          closed.set(block.key, block.html);
        }
      }
    });
  }
  it('finds a reference that is defined at the end', () => {
    const growing = new IncrementalMarkdown();
    const text = 'see [a][x]\n\nmiddle\n\n[x]: https://example.org\n';
    for (let end = 1; end < text.length; end += 1) growing.update(text.slice(0, end), true);
    expect(html(growing.update(text, false))).toContain('href="https://example.org"');
  });
  it('starts again when the text is another one', () => {
    const growing = new IncrementalMarkdown();
    growing.update('one\n\ntwo', false);
    expect(html(growing.update('three', false))).toBe('<p>three</p>\n');
  });
  it('stays quick when the answer is long', () => {
    const growing = new IncrementalMarkdown();
    const text = 'Ein Absatz mit **Text** und `code`.\n\n'.repeat(2000);
    let worked = 0;
    for (let end = 0; end < text.length; end += 500) worked += growing.update(text.slice(0, end), true).length;
    expect(worked).toBeGreaterThan(0);
  });
});

describe('half-written marks', () => {
  const shown = (text: string) => html(new IncrementalMarkdown().update(text, true));
  it('do not show', () => {
    expect(shown('a **bo')).toBe('<p>a <strong>bo</strong></p>\n');
    expect(shown('a **')).toBe('<p>a</p>\n');
    expect(shown('a `co')).toBe('<p>a <code>co</code></p>\n');
    expect(shown('a [text](https://exa')).toBe('<p>a text</p>\n');
    expect(shown('a \\(x^2')).toBe('<p>a</p>\n');
    expect(shown('a ~~b')).toBe('<p>a <s>b</s></p>\n');
  });
  it('leave what is no mark alone', () => {
    for (const text of ['2 * 3', '- a\n* b', 'a_b', '```c\n**x', '    **x', 'done **b**', '$$\nx **']) {
      expect(closeOpenMarks(text), text).toBe(text);
    }
  });
  it('of a formula wait in their own place', () => {
    expect(shown('$$\nx^2')).toBe('<div class="math-open">x^2</div>\n');
    expect(renderMarkdown('$$\nx^2')).toContain('$$');
  });
});

describe('money and formulas', () => {
  it.each([
    ['$5 and $10', 0], ['from $5-$10', 0], ['US$5 to US$6$', 0], ['cost $1,000, or 5$', 0], ['$ 5 $', 0],
    ['$100 到 200$', 0], ['price is \\$5 and \\$6', 0], ['$x$', 1], ['$x$ and $y$', 2], ['$2 + 3 = 5$', 1], ['$5$', 1],
    ['$\\alpha$。', 1], ['\\(x\\)', 1], ['\\[x\\]', 1], ['$$x$$', 1], ['a $$x$$ b', 1], ['`$x$`', 0], ['$HOME and $PATH', 0],
  ])('%s has %i formulas', (text, count) => {
    expect(renderMarkdown(text).split('data-tex=').length - 1).toBe(count);
  });
  it('are told apart by their borders', () => {
    expect(looksLikeMath('x', '', '')).toBe(true);
    expect(looksLikeMath('x', 'a', '')).toBe(false);
    expect(looksLikeMath('x', '', '5')).toBe(false);
  });
});

describe('what a model writes is text', () => {
  it('has no tags but those of Markdown', () => {
    const out = renderMarkdown(corpus['dirty'] ?? '');
    expect(out).not.toMatch(/<(script|img|iframe|svg)/i);
    expect(out).toContain('&lt;script&gt;');
  });
  it.each(['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', '&#106;avascript:alert(1)',
    'java\u0000script:x', '//evil.example', '/local', 'file:///etc/passwd'])('drops the link %s', (url) => {
    expect(renderMarkdown(`[x](${url})`)).not.toContain('href');
    expect(renderMarkdown(`[x](<${url}>)`)).not.toContain('href');
  });
  it('never loads a picture by itself', () => {
    const out = renderMarkdown('![secret](https://evil.example/?q=1)');
    expect(out).not.toContain('<img');
    expect(out).toContain('class="remote-image"');
  });
  it('has no style attribute, which the policy would refuse', () => {
    expect(renderMarkdown('|a|b|\n|:-:|--:|\n|1|2|\n')).not.toContain('style=');
  });
  it('survives nesting that nobody writes', () => {
    for (const text of ['>'.repeat(100_000), '*'.repeat(100_000), '('.repeat(100_000), '- '.repeat(20_000), '['.repeat(50_000)]) {
      const begin = performance.now();
      expect(renderMarkdown(text).length).toBeGreaterThan(0);
      expect(performance.now() - begin).toBeLessThan(5_000);
    }
  });
});
