// Renders a growing text block by block. In CommonMark a block that is followed by another one is
// closed for good, so only the last block is parsed again when text is added: the work per step
// does not grow with the length of the answer.
import { createParser, type ParseEnv } from './parser';
import { closeOpenMarks } from './repair';

export interface Block {
  /** The same for as long as it is the same block. */
  key: number;
  html: string;
}

const md = createParser();

interface Parsed {
  html: string;
  /** First line, in the text that was parsed. */
  line: number;
}

function parseBlocks(text: string, env: ParseEnv): Parsed[] {
  const tokens = md.parse(text, env);
  const blocks: Parsed[] = [];
  let begin = 0;
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i];
    if (!token || token.level !== 0 || token.nesting === 1) continue;
    const group = tokens.slice(begin, i + 1);
    blocks.push({ html: md.renderer.render(group, md.options, env), line: group[0]?.map?.[0] ?? 0 });
    begin = i + 1;
  }
  return blocks;
}

function offsetOfLine(text: string, line: number): number {
  let at = 0;
  for (let n = 0; n < line; n += 1) at = text.indexOf('\n', at) + 1;
  return at;
}

export class IncrementalMarkdown {
  private source = '';
  private closed: Block[] = [];
  /** Where the blocks that may still change begin. */
  private openAt = 0;
  private nextKey = 0;
  /** Link references that stand before openAt. */
  private references: NonNullable<ParseEnv['references']> = {};

  /** All blocks of `text`. Cheap when `text` begins with what it was before. */
  update(text: string, streaming: boolean): Block[] {
    if (!text.startsWith(this.source)) this.reset();
    this.source = text;
    const tail = text.slice(this.openAt);
    const env: ParseEnv = { streaming, references: { ...this.references } };
    const parsed = parseBlocks(tail, env);
    // A line that is not whole proves nothing: "2" after a list becomes "2. next".
    const lastLine = tail.lastIndexOf('\n') + 1;
    let open = Math.max(parsed.length - 1, 0);
    if (open > 0 && offsetOfLine(tail, parsed[open]?.line ?? 0) >= lastLine) open -= 1;
    for (const block of parsed.slice(0, open)) this.closed.push({ key: this.nextKey++, html: block.html });
    if (open > 0) {
      const end = offsetOfLine(tail, parsed[open]?.line ?? 0);
      const settled = tail.slice(0, end);
      if (settled.includes(']:')) md.parse(settled, { references: this.references });
      this.openAt += end;
    }
    if (!streaming && this.closed.length > 0 && Object.keys(env.references ?? {}).length > 0) {
      // A reference may be defined below the block that uses it: only the whole text shows it.
      return parseBlocks(text, {}).map((block, key) => ({ key, html: block.html }));
    }
    return [...this.closed, ...this.openBlocks(text.slice(this.openAt), parsed.slice(open), streaming)];
  }

  private openBlocks(text: string, parsed: Parsed[], streaming: boolean): Block[] {
    let blocks = parsed;
    const repaired = streaming ? closeOpenMarks(text) : text;
    if (repaired !== text) {
      blocks = parseBlocks(repaired, { streaming, references: { ...this.references } });
    }
    return blocks.map((block, i) => ({ key: this.nextKey + i, html: block.html }));
  }

  private reset(): void {
    this.closed = [];
    this.openAt = 0;
    this.nextKey += 1000;
    this.references = {};
  }
}

/** The whole text at once: what the last update must be equal to. */
export function renderMarkdown(text: string): string {
  return parseBlocks(text, {}).map((block) => block.html).join('');
}
