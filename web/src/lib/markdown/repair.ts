// What the end of a growing text needs so that **bo and `cod do not flicker as raw marks.

/** `text` is one open block. What is added or hidden here is never stored. */
export function closeOpenMarks(text: string): string {
  const begin = text.lastIndexOf('\n\n') + 1;
  const head = text.slice(0, begin);
  const line = text.slice(begin);
  if (/^ {0,3}(?:```|~~~|\$\$|\\\[)/m.test(text) || /^(?: {4}|\t)/.test(line)) return text;
  return head + closeInline(line);
}

function closeInline(line: string): string {
  const open: string[] = [];
  let i = 0;
  while (i < line.length) {
    const rest = line.slice(i);
    if (rest.startsWith('\\(') || rest.startsWith('\\[')) {
      const close = rest[1] === '(' ? '\\)' : '\\]';
      const end = line.indexOf(close, i + 2);
      if (end < 0) return finish(line.slice(0, i), open);
      i = end + 2;
      continue;
    }
    if (line[i] === '\\') {
      i += 2;
      continue;
    }
    const ticks = /^`+/.exec(rest)?.[0];
    if (ticks) {
      const end = closingTicks(line, i + ticks.length, ticks.length);
      if (end < 0) {
        const code = line.slice(i + ticks.length);
        return code.trim() === '' ? finish(line.slice(0, i), open) : finish(`${line}${ticks}`, open);
      }
      i = end;
      continue;
    }
    const link = /^!?\[([^\]\n]*)\]\(([^)\n]*)$/.exec(rest);
    if (link) return finish(line.slice(0, i) + (link[1] ?? ''), open);
    const mark = /^(?:\*{1,3}|~~)/.exec(rest)?.[0];
    if (mark) {
      const at = open.lastIndexOf(mark);
      const before = line[i - 1] ?? ' ';
      const after = line[i + mark.length] ?? '';
      const isBullet = mark === '*' && /^\s*$/.test(line.slice(line.lastIndexOf('\n', i - 1) + 1, i)) && /^\s?$/.test(after);
      if (at >= 0 && !/\s/.test(before)) open.splice(at);
      else if (after === '' && !isBullet) return finish(line.slice(0, i), open);
      else if (!/\s/.test(after) && !isBullet) open.push(mark);
      i += mark.length;
      continue;
    }
    i += 1;
  }
  return finish(line, open);
}

function closingTicks(line: string, from: number, length: number): number {
  for (const match of line.slice(from).matchAll(/`+/g)) {
    if (match[0].length === length) return from + match.index + length;
  }
  return -1;
}

function finish(line: string, open: string[]): string {
  if (open.length === 0) return line;
  const end = /\s*$/.exec(line)?.index ?? line.length;
  return line.slice(0, end) + [...open].reverse().join('') + line.slice(end);
}
