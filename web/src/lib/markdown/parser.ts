// Markdown to HTML, without raw HTML: what a model writes is text, whatever it looks like. The HTML
// goes through dom.ts, which lets only known elements and attributes pass.
import Parser, { type Env, type MarkdownIt } from 'markdown-it';
import { mathPlugin } from './math';

export interface ParseEnv extends Env {
  /** The end of the text may still be written. */
  streaming?: boolean;
}

export function isSafeLink(url: string): boolean {
  return /^(?:https?:\/\/|mailto:)/i.test(url.trim());
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return '';
  }
}

export function createParser(): MarkdownIt {
  const md = new Parser('default', { html: false, linkify: true, breaks: true, typographer: false });
  md.validateLink = isSafeLink;
  // "main.c" and "foo.py" are files, not sites.
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  md.use(mathPlugin);
  const { escapeHtml } = md.utils;
  const { rules } = md.renderer;

  const code = (content: string, language: string) =>
    `<pre data-code="${escapeHtml(language)}">${escapeHtml(content)}</pre>\n`;
  rules['fence'] = (tokens, i) => {
    const token = tokens[i];
    return code(token?.content ?? '', (token?.info ?? '').trim().split(/\s+/)[0] ?? '');
  };
  rules['code_block'] = (tokens, i) => code(tokens[i]?.content ?? '', '');

  // A picture from elsewhere would tell that server what was asked: it is a link to click.
  rules['image'] = (tokens, i) => {
    const token = tokens[i];
    const url = String(token?.attrGet('src') ?? '');
    const label = escapeHtml(token?.content || hostOf(url) || '…');
    return `<a class="remote-image" href="${escapeHtml(url)}" target="_blank" rel="noopener noreferrer nofollow">${label}</a>`;
  };

  rules['link_open'] = (tokens, i, options, _env, self) => {
    tokens[i]?.attrSet('target', '_blank');
    tokens[i]?.attrSet('rel', 'noopener noreferrer nofollow');
    return self.renderToken(tokens, i, options);
  };

  // style="text-align:..." would be refused by the page's policy.
  for (const name of ['th_open', 'td_open']) {
    rules[name] = (tokens, i, options, _env, self) => {
      const token = tokens[i];
      const style = String(token?.attrGet('style') ?? '');
      if (token && style !== '') {
        token.attrs = [['class', `align-${style.split(':')[1] ?? 'left'}`]];
      }
      return self.renderToken(tokens, i, options);
    };
  }
  rules['table_open'] = () => '<div class="table"><table>\n';
  rules['table_close'] = () => '</table></div>\n';

  // [ ] and [x] at the beginning of a list item.
  md.core.ruler.after('inline', 'task', (state) => {
    state.tokens.forEach((token, i) => {
      if (token.type !== 'inline' || state.tokens[i - 2]?.type !== 'list_item_open') return;
      const first = token.children?.[0];
      const box = first?.type === 'text' ? /^\[([ xX])\] /.exec(first.content) : null;
      if (first && box) first.content = `${box[1] === ' ' ? '☐' : '☑'} ${first.content.slice(4)}`;
    });
  });
  return md;
}
