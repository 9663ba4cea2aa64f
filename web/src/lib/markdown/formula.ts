// KaTeX, fetched when the first formula appears. It builds nodes instead of HTML: its style
// attributes in HTML would be refused by the page's policy.
type Katex = typeof import('katex').default;

let katex: Katex | null = null;
let loading: Promise<void> | null = null;

function load(): Promise<void> {
  loading ??= Promise.all([import('katex'), import('katex/dist/katex.min.css')]).then(([module]) => {
    katex = module.default;
  });
  return loading;
}

function draw(host: HTMLElement, tex: string, display: boolean): void {
  if (!katex) return;
  try {
    katex.render(tex, host, { displayMode: display, throwOnError: true, trust: false, strict: 'ignore', maxExpand: 500, maxSize: 20 });
    host.classList.remove('math-raw');
  } catch {
    host.textContent = tex;
    host.classList.add('math-raw');
  }
}

export function createFormula(tex: string, display: boolean): HTMLElement {
  const host = document.createElement(display ? 'div' : 'span');
  host.className = `math ${display ? 'math-display' : ''} math-raw`;
  host.dataset['texSource'] = tex;
  host.textContent = tex;
  if (katex) draw(host, tex, display);
  else void load().then(() => draw(host, tex, display), () => undefined);
  return host;
}
