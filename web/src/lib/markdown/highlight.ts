// highlight.js with the languages that people ask about here, fetched with the first code block.
type Highlighter = (code: string, language: string) => string | null;

const ALIASES: Record<string, string> = {
  'c++': 'cpp', cc: 'cpp', cxx: 'cpp', h: 'c', hpp: 'cpp', py: 'python', js: 'javascript', ts: 'typescript', sh: 'bash',
  shell: 'bash', zsh: 'bash', console: 'bash', html: 'xml', svg: 'xml', rs: 'rust', golang: 'go', make: 'makefile',
  patch: 'diff', toml: 'ini', yml: 'yaml',
};

export function canonicalLanguage(name: string): string {
  const low = name.toLowerCase();
  return ALIASES[low] ?? low;
}

let ready: Highlighter | null = null;
let loading: Promise<Highlighter> | null = null;

export function highlighter(): Highlighter | null {
  return ready;
}

export function loadHighlighter(): Promise<Highlighter> {
  loading ??= import('./languages').then(({ hljs }) => {
    ready = (code, language) => {
      const name = canonicalLanguage(language);
      if (!hljs.getLanguage(name)) return null;
      return hljs.highlight(code, { language: name, ignoreIllegals: true }).value;
    };
    return ready;
  });
  return loading;
}

const EXTENSIONS: Record<string, string> = {
  c: 'c', cpp: 'cpp', python: 'py', javascript: 'js', typescript: 'ts', bash: 'sh', json: 'json', xml: 'html', css: 'css',
  sql: 'sql', java: 'java', go: 'go', rust: 'rs', diff: 'diff', makefile: 'mk', ini: 'ini', yaml: 'yaml', markdown: 'md',
};

export function fileNameFor(language: string): string {
  return `code.${EXTENSIONS[canonicalLanguage(language)] ?? 'txt'}`;
}
