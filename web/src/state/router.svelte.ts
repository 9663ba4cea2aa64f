// Routes live behind the '#', so that the page itself has one address, below any path.
export interface Route {
  name: 'chat' | 'agents' | 'agent' | 'agent-edit' | 'models' | 'workbench' | 'history' | 'settings';
  /** A conversation's or an agent's id; '' where the route has none. */
  id: string;
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const query = new URLSearchParams(search);
  const [first = '', second = '', third = ''] = parts;
  if (first === 'c' && second) return { name: 'chat', id: second, query };
  if (first === 'agents' && third === 'edit') return { name: 'agent-edit', id: second, query };
  if (first === 'agents' && second === '') return { name: 'agents', id: '', query };
  if (first === 'agents') return { name: second === '+' ? 'agent-edit' : 'agent', id: second === '+' ? '' : second, query };
  if (first === 'models' || first === 'workbench' || first === 'history' || first === 'settings') {
    return { name: first, id: '', query };
  }
  return { name: 'chat', id: '', query };
}

export const routes = {
  home: () => '#/',
  newChat: (agent: string, more: Record<string, string> = {}) =>
    `#/?${new URLSearchParams({ agent, ...more }).toString()}`,
  temporary: (agent: string) => `#/?${new URLSearchParams({ agent, temporary: '1' }).toString()}`,
  chat: (id: string) => `#/c/${encodeURIComponent(id)}`,
  agents: () => '#/agents',
  agent: (id: string) => `#/agents/${encodeURIComponent(id)}`,
  agentEdit: (id: string) => `#/agents/${encodeURIComponent(id)}/edit`,
  agentNew: () => '#/agents/+',
  models: () => '#/models',
  workbench: () => '#/workbench',
  history: () => '#/history',
  settings: () => '#/settings',
};

let current = $state.raw<Route>({ name: 'chat', id: '', query: new URLSearchParams() });
let guard: (() => boolean) | null = null;
let shown = '';

export function route(): Route {
  return current;
}

export function startRouter(): void {
  const read = () => {
    if (location.hash === shown) return;
    if (guard && !guard()) {
      history.replaceState(null, '', shown || '#/');
      return;
    }
    guard = null;
    shown = location.hash;
    current = parseRoute(location.hash);
  };
  window.addEventListener('hashchange', read);
  shown = location.hash;
  current = parseRoute(location.hash);
}

export function go(hash: string): void {
  location.hash = hash;
}

/** The same view under another address: no view is made anew, and "back" does not return here. */
export function rename(hash: string): void {
  history.replaceState(null, '', hash);
  shown = location.hash;
  current = parseRoute(hash);
}

/** Asked before the next change of route; false keeps the page where it is. */
export function guardRoute(check: (() => boolean) | null): void {
  guard = check;
}
