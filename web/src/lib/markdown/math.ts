// Formulas: $...$ and \(...\) in a line, $$...$$ and \[...\] as blocks. Money stays money.
import type { MarkdownIt } from 'markdown-it';

const BACKSLASH = 92;
const DOLLAR = 36;

/** Whether what stands between two dollars of one line is a formula rather than two prices. */
export function looksLikeMath(content: string, before: string, after: string): boolean {
  if (content === '' || /^\s|\s$/.test(content)) return false;
  if (/[\p{L}\p{N}]/u.test(before) || /\d/.test(after)) return false;
  // "5, or 5": begins as an amount, goes on in words, and has nothing of a formula.
  if (/^[\d.,]/.test(content) && !/[=+*/^_\\<>{}-]/.test(content) && /[A-Za-z]{2,}|[^\u0000-\u007f]/.test(content)) {
    return false;
  }
  return true;
}

function findClose(text: string, close: string, from: number, max: number): number {
  for (let at = from; at < max; at += 1) {
    const code = text.charCodeAt(at);
    if (text.startsWith(close, at)) return at;
    if (code === BACKSLASH) at += 1;
  }
  return -1;
}

export function mathPlugin(md: MarkdownIt): void {
  // Before `escape`, which would take the backslash of \( away.
  md.inline.ruler.before('escape', 'math', (state, silent) => {
    const { src, pos, posMax } = state;
    const code = src.charCodeAt(pos);
    let open = '';
    let close = '';
    if (code === BACKSLASH && (src[pos + 1] === '(' || src[pos + 1] === '[')) {
      open = src.slice(pos, pos + 2);
      close = src[pos + 1] === '(' ? '\\)' : '\\]';
    } else if (code === DOLLAR) {
      open = src[pos + 1] === '$' ? '$$' : '$';
      close = open;
    } else {
      return false;
    }
    const start = pos + open.length;
    const end = findClose(src, close, start, posMax);
    if (end < 0) return false;
    const content = src.slice(start, end);
    if (content.trim() === '') return false;
    if (open === '$' && !looksLikeMath(content, src[pos - 1] ?? '', src[end + 1] ?? '')) return false;
    if (!silent) {
      const token = state.push('math', 'span', 0);
      token.content = content.trim();
      token.meta = { display: open === '$$' || open === '\\[' };
    }
    state.pos = end + close.length;
    return true;
  });

  md.block.ruler.before(
    'fence',
    'math_block',
    (state, startLine, endLine, silent) => {
      if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
      const begin = (state.bMarks[startLine] ?? 0) + (state.tShift[startLine] ?? 0);
      const first = state.src.slice(begin, state.eMarks[startLine]);
      const open = first.startsWith('$$') ? '$$' : first.startsWith('\\[') ? '\\[' : '';
      if (open === '') return false;
      const close = open === '$$' ? '$$' : '\\]';
      const lines: string[] = [];
      let line = startLine;
      let closed = false;
      for (; line < endLine; line += 1) {
        if (line > startLine && (state.sCount[line] ?? 0) < state.blkIndent) break;
        const text =
          line === startLine
            ? first.slice(open.length)
            : state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line]);
        const end = findClose(text, close, 0, text.length);
        if (end >= 0) {
          // Text after the end of the formula: a formula in a line, which the inline rule reads.
          if (text.slice(end + close.length).trim() !== '') return false;
          lines.push(text.slice(0, end));
          closed = true;
          line += 1;
          break;
        }
        // A blank line ends what was never a formula; while a stream is open it may still become one.
        if (text.trim() === '' && lines.join('').trim() !== '') break;
        lines.push(text);
      }
      const content = lines.join('\n').trim();
      if (!closed && !(isStreaming(state.env) && line >= endLine)) return false;
      if (closed && content === '') return false;
      if (silent) return true;
      state.line = line;
      const token = state.push('math_block', 'div', 0);
      token.block = true;
      token.content = content;
      token.map = [startLine, line];
      token.meta = { display: true, open: !closed };
      return true;
    },
    { alt: ['paragraph', 'reference', 'blockquote', 'list'] },
  );

  md.renderer.rules['math'] = (tokens, i) => formula(md, tokens[i]?.content ?? '', tokens[i]?.meta, 'span');
  md.renderer.rules['math_block'] = (tokens, i) => formula(md, tokens[i]?.content ?? '', tokens[i]?.meta, 'div');
}

function isStreaming(env: unknown): boolean {
  return typeof env === 'object' && env !== null && (env as { streaming?: boolean }).streaming === true;
}

function formula(md: MarkdownIt, tex: string, meta: unknown, tag: 'span' | 'div'): string {
  const { display, open } = meta as { display: boolean; open?: boolean };
  const text = md.utils.escapeHtml(tex);
  if (open) return `<div class="math-open">${text}</div>\n`;
  const attribute = `data-tex="${text}"${display ? ' data-display="1"' : ''}`;
  return `<${tag} ${attribute}>${text}</${tag}>${tag === 'div' ? '\n' : ''}`;
}
