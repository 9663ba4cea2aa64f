// A stand-in for `jiang serve`: the page's API of docs/api.md with scripted answers, and the built
// page with the same headers. For working on the page and for its tests.
//   node mock/server.mjs [--port 8089] [--dist ../build/web/dist] [--prefix /any/path] [--pace 25]
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { World } from './world.mjs';

export const SECURITY_HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json', '.txt': 'text/plain; charset=utf-8' };

class Failure extends Error {
  constructor(status, code, message, param = null) {
    super(message);
    Object.assign(this, { status, code, param });
  }
}
const notFound = () => new Failure(404, 'not_found', 'there is no such thing');

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure(400, 'invalid_json', 'the body is not JSON');
  }
}

function sse(response, request) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' });
  response.write(': ping\n\n');
  const ping = setInterval(() => response.write(': ping\n\n'), 10_000);
  request.on('close', () => clearInterval(ping));
}

// Text between the fields that a TOML file of an agent has; the mock reads only what it writes.
function agentToml(agent) {
  const text = (value) => JSON.stringify(value);
  return ['name', 'avatar', 'introduction', 'instructions', 'opening', 'model'].map((key) => `${key} = ${text(agent[key] ?? '')}`)
    .concat([`skills = ${text(agent.skills)}`, `questions = ${text(agent.questions)}`, `code = ${agent.code}`, `web = ${agent.web}`, '']).join('\n');
}
function parseToml(text) {
  const agent = { skills: [], questions: [], code: false, web: false, parameters: {} };
  for (const line of text.split('\n')) {
    const match = /^(\w+) = (.*)$/.exec(line);
    if (match) agent[match[1]] = JSON.parse(match[2]);
  }
  return agent;
}

const routes = [
  ['GET', 'session', ({ session }) => session],
  ['POST', 'logout', ({ reply }) => reply(204)],
  ['GET', 'settings', ({ world }) => world.settings],
  ['PATCH', 'settings', ({ world, body }) => Object.assign(world.settings, body)],

  ['GET', 'conversations', ({ world, query }) => {
    const q = (query.get('q') ?? '').toLowerCase();
    const folder = query.get('folder') ?? '';
    const limit = Number(query.get('limit') ?? 50);
    const from = Number(query.get('cursor') ?? 0);
    const all = [...world.conversations.values()]
      .filter((c) => !folder || c.folder === folder)
      .map((c) => {
        const shown = world.shown(c);
        if (!q) return shown;
        const hit = world.of(c).find((m) => m.content.toLowerCase().includes(q));
        if (!hit && !c.title.toLowerCase().includes(q)) return null;
        const at = hit ? hit.content.toLowerCase().indexOf(q) : 0;
        return { ...shown, snippet: hit ? hit.content.slice(Math.max(0, at - 12), at + 40).replace(/\s+/g, ' ') : c.title };
      })
      .filter(Boolean)
      .sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updated - a.updated);
    return { items: all.slice(from, from + limit), next: from + limit < all.length ? String(from + limit) : null };
  }],
  ['POST', 'conversations', ({ world, body, reply }) => {
    if (body.agent_id != null && !world.agents.has(body.agent_id)) throw new Failure(400, 'invalid', 'no such agent', 'agent_id');
    reply(201, world.createConversation(body));
  }],
  ['POST', 'conversations/import', ({ world, body, reply }) => {
    if (!body.conversation || !Array.isArray(body.messages)) throw new Failure(400, 'invalid', 'not an export that is known');
    const made = world.createConversation(body.conversation);
    const ids = new Map();
    for (const message of body.messages) {
      const copy = world.addMessage(made, { ...message, id: world.id('m'), parent: ids.get(message.parent) ?? null, run: null });
      ids.set(message.id, copy.id);
    }
    made.leaf = ids.get(body.conversation.leaf) ?? null;
    world.tell({ type: 'conversation', id: made.id });
    reply(201, { ids: [made.id], skipped: [] });
  }],
  ['GET', 'conversations/:id', ({ world, conversation }) => ({ conversation: world.shown(conversation), messages: world.of(conversation).map((m) => world.public(m)) })],
  ['PATCH', 'conversations/:id', ({ world, conversation, body }) => {
    Object.assign(conversation, body);
    world.tell({ type: 'conversation', id: conversation.id });
    return world.shown(conversation);
  }],
  ['DELETE', 'conversations/:id', ({ world, conversation, reply }) => {
    for (const message of world.of(conversation)) world.messages.delete(message.id);
    world.conversations.delete(conversation.id);
    world.tell({ type: 'conversation', id: conversation.id });
    reply(204);
  }],
  ['GET', 'conversations/:id/export', ({ world, conversation, query, response }) => {
    const messages = world.of(conversation).map((m) => world.public(m));
    const format = query.get('format') ?? 'json';
    const text = format === 'json' ? JSON.stringify({ conversation, messages }) : messages.map((m) => `## ${m.role}\n\n${m.content}\n`).join('\n');
    response.writeHead(200, { 'Content-Type': format === 'json' ? 'application/json' : 'text/plain; charset=utf-8' });
    response.end(text);
  }],
  ['POST', 'conversations/:id/messages', ({ world, conversation, body, reply }) => {
    if (typeof body.content !== 'string') throw new Failure(400, 'invalid', 'content must be a string', 'content');
    if (body.parent !== null && !world.messages.has(body.parent)) throw new Failure(400, 'invalid', 'no such message', 'parent');
    const attachments = (body.attachments ?? []).map(({ name, text }) => ({ name, bytes: Buffer.byteLength(text) }));
    const message = world.addMessage(conversation, { parent: body.parent, content: body.content, attachments });
    const answer = world.addMessage(conversation, { parent: message.id, role: 'assistant' });
    conversation.leaf = answer.id;
    const run = world.startRun(body.content, answer, { conversation, settings: conversation.settings });
    world.tell({ type: 'conversation', id: conversation.id });
    reply(201, { message: world.public(message), answer: world.public(answer), run: run.id });
  }],
  ['POST', 'conversations/:id/answers', ({ world, conversation, body, reply }) => {
    const parent = world.messages.get(body.parent);
    if (!parent) throw notFound();
    const answer = world.addMessage(conversation, { parent: parent.id, role: 'assistant' });
    conversation.leaf = answer.id;
    const run = world.startRun(parent.content, answer, { conversation, settings: conversation.settings });
    reply(201, { answer: world.public(answer), run: run.id });
  }],
  ['POST', 'conversations/:id/continue', ({ world, conversation, body, reply }) => {
    const answer = world.messages.get(body.message);
    if (!answer) throw notFound();
    const { max_tokens: _, ...settings } = conversation.settings;
    const run = world.startRun(world.messages.get(answer.parent)?.content ?? '', answer, { conversation, settings });
    reply(201, { answer: world.public(answer), run: run.id });
  }],
  ['DELETE', 'messages/:id', ({ world, id, reply }) => {
    if (!world.messages.has(id)) throw notFound();
    const gone = [id];
    for (const at of gone) for (const m of world.messages.values()) if (m.parent === at) gone.push(m.id);
    for (const at of gone) world.messages.delete(at);
    reply(204);
  }],
  ['PUT', 'messages/:id/feedback', ({ world, id, body, reply }) => {
    const message = world.messages.get(id);
    if (!message) throw notFound();
    message.feedback = body.value;
    reply(204);
  }],
  ['GET', 'feedback.jsonl', ({ world, response }) => {
    response.writeHead(200, { 'Content-Type': 'application/jsonl' });
    response.end([...world.messages.values()].filter((m) => m.feedback).map((m) => `${JSON.stringify({ message: m.id, value: m.feedback })}\n`).join(''));
  }],
  ['GET', 'folders', ({ world }) => [...new Set([...world.conversations.values()].map((c) => c.folder).filter(Boolean))].sort()],

  ['GET', 'runs/:id/events', ({ world, id, query, request, response }) => {
    const run = world.runs.get(id);
    if (!run) throw new Failure(404, 'run_gone', 'this run is over');
    sse(response, request);
    let at = Number(query.get('after') ?? 0);
    const push = () => {
      let text = '';
      for (; at < run.events.length; at += 1) text += `id: ${run.events[at].id}\ndata: ${JSON.stringify(run.events[at].event)}\n\n`;
      if (text) response.write(text);
      if (run.over) response.end();
    };
    run.waiting.add(push);
    request.on('close', () => run.waiting.delete(push));
    push();
  }],
  ['POST', 'runs/:id/stop', ({ world, id, reply }) => {
    const run = world.runs.get(id);
    if (run) run.stopped = true;
    reply(204);
  }],
  ['POST', 'runs/:id/approvals/:approval', ({ reply }) => reply(204)],
  ['POST', 'temporary', ({ world, body, reply }) => {
    const answer = { content: '', reasoning: '', parts: [], status: 'running' };
    const run = world.startRun(body.messages.at(-1)?.content ?? '', answer, { temporary: true, settings: body.settings ?? {} });
    reply(201, { run: run.id });
  }],

  ['GET', 'agents', ({ world, visitor }) => ({ items: [...world.agents.values()].map((a) => hide(a, visitor)), errors: world.agentErrors })],
  ['POST', 'agents/import', ({ body }) => {
    const text = String(body.text ?? '');
    let agent;
    const dropped = [];
    try {
      agent = JSON.parse(text);
      for (const key of Object.keys(agent)) if (!['id', 'name', 'avatar', 'introduction', 'instructions', 'skills', 'code', 'web', 'opening', 'questions', 'model', 'parameters', 'built_in', 'file', 'warning'].includes(key)) dropped.push(key);
    } catch {
      agent = parseToml(text);
    }
    if (!agent.name) throw new Failure(400, 'invalid', 'name is missing', 'name');
    return { agent: { id: '', avatar: '', introduction: '', instructions: '', skills: [], code: false, web: false, opening: '', questions: [], model: '', parameters: {}, ...agent, built_in: false }, dropped };
  }],
  ['POST', 'agents/draft', ({ body }) => ({
    agent: { id: '', name: body.sentence.slice(0, 8), avatar: '✨', introduction: body.sentence, instructions: `你是${body.sentence}。`, skills: [], code: false, web: false, opening: '你好！', questions: ['你能做什么？'], model: '', parameters: {}, built_in: false },
    by: 'template',
  })],
  ['GET', 'agents/:id', ({ world, id, visitor }) => {
    const agent = world.agents.get(id);
    if (!agent) throw notFound();
    return hide(agent, visitor);
  }],
  ['PUT', 'agents/:id', ({ world, id, body }) => {
    if (world.agents.get(id)?.built_in) throw new Failure(403, 'built_in', 'a built-in agent cannot be changed');
    if (!body.name) throw new Failure(400, 'invalid', 'name must not be empty', 'name');
    const agent = { ...body, id, built_in: false, file: true, warning: null };
    world.agents.set(id, agent);
    world.tell({ type: 'agents' });
    return agent;
  }],
  ['DELETE', 'agents/:id', ({ world, id, reply }) => {
    world.agents.delete(id);
    world.tell({ type: 'agents' });
    reply(204);
  }],
  ['GET', 'agents/:id/export', ({ world, id, query, response }) => {
    const agent = world.agents.get(id);
    if (!agent) throw notFound();
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(query.get('format') === 'json' ? JSON.stringify(agent, null, 2) : agentToml(agent));
  }],
  ['GET', 'abilities', () => ({ code: { available: true, reason: '' }, web: { available: true, reason: '' } })],
  ['GET', 'events', ({ world, request, response }) => {
    sse(response, request);
    const push = (event) => response.write(`data: ${JSON.stringify(event)}\n\n`);
    world.listeners.add(push);
    request.on('close', () => world.listeners.delete(push));
  }],
  ['GET', 'shares', ({ world }) => ({ items: [...world.shares.values()] })],
  ['POST', 'shares', ({ world, body, reply }) => {
    const token = world.id('s');
    const share = { token, url: `s/${token}`, kind: body.kind, id: body.id, level: body.level };
    world.shares.set(token, share);
    reply(201, share);
  }],
  ['DELETE', 'shares/:id', ({ world, id, reply }) => {
    world.shares.delete(id);
    reply(204);
  }],
  ['POST', 'run-code', ({ body, request, response, reply }) => {
    if (/while\s*\(1\)/.test(body.code)) {
      request.on('close', () => undefined);
      setTimeout(() => response.writableEnded || reply(200, { compile: { ok: true, diagnostics: '', millis: 80 }, run: { end: 'time', exit_code: -1, signal: 'SIGKILL', out: '', err: '', out_cut: false, err_cut: false, millis: 5000, hint: '程序超过了时间限制。' }, files: [] }), 5000);
      return undefined;
    }
    const bad = /syntax error here/.test(body.code);
    return {
      compile: { ok: !bad, diagnostics: bad ? "main.c:3:5: error: expected ';'" : '', millis: 84 },
      run: bad ? null : { end: 'exit', exit_code: 0, signal: null, out: body.input ? `7\n` : '1 2 5 7 9 \n', err: '', out_cut: false, err_cut: false, millis: 3, hint: '' },
      files: [],
    };
  }],

  ['GET', 'models', ({ world }) => ({ items: world.models, memory: { budget: 12.8e9, used: world.models.reduce((sum, m) => sum + m.memory_bytes, 0) } })],
  ['POST', 'models/load', ({ world, body }) => loadOrUnload(world, body.name, true)],
  ['POST', 'models/unload', ({ world, body }) => loadOrUnload(world, body.name, false)],
  ['GET', 'catalogue', ({ world }) => ({ items: world.catalogue })],
  ['POST', 'pulls', ({ world, body, reply }) => {
    if (!world.catalogue.some((item) => item.name === body.name)) throw notFound();
    reply(201, { pull: world.startPull(body.name).id });
  }],
  ['GET', 'pulls', ({ world }) => ({ items: [...world.pulls.values()].filter((p) => !p.over).map(({ id, name, done, total, phase }) => ({ id, name, done, total, phase })) })],
  ['GET', 'pulls/:id/events', ({ world, id, request, response }) => {
    const pull = world.pulls.get(id);
    if (!pull) throw notFound();
    sse(response, request);
    const push = () => {
      if (pull.last) response.write(`data: ${JSON.stringify(pull.last)}\n\n`);
      if (pull.over) response.end();
    };
    pull.waiting.add(push);
    request.on('close', () => pull.waiting.delete(push));
    push();
  }],
  ['DELETE', 'pulls/:id', ({ world, id, reply }) => {
    const pull = world.pulls.get(id);
    if (pull) pull.over = true;
    reply(204);
  }],
  ['POST', 'prompt', ({ world, body }) => {
    const system = body.settings?.system ?? world.agents.get(body.agent_id)?.instructions ?? '';
    const segments = [];
    const add = (text, from_template) => segments.push({ text, from_template });
    for (const { role, content } of [...(system ? [{ role: 'system', content: system }] : []), ...body.messages]) {
      add(`<|im_start|>${role}\n`, true);
      add(content, false);
      add('<|im_end|>\n', true);
    }
    add('<|im_start|>assistant\n', true);
    const tokens = segments.flatMap((s) => s.text.match(/<\|\w+\|>|\n|\s?[A-Za-z]+|./gsu) ?? []).map((text, i) => ({ id: 100 + i, text }));
    return { segments, tokens, count: tokens.length };
  }],
  ['GET', 'presets', ({ world }) => ({ items: [...world.presets.values()] })],
  ['PUT', 'presets/:id', ({ world, id, body }) => {
    world.presets.set(id, { ...body, name: id });
    return world.presets.get(id);
  }],
  ['DELETE', 'presets/:id', ({ world, id, reply }) => {
    world.presets.delete(id);
    reply(204);
  }],
  ['GET', 'users', ({ world }) => ({ items: [...world.users.values()] })],
  ['POST', 'users', ({ world, body, reply }) => {
    const id = world.id('u');
    world.users.set(id, { id, ...body });
    reply(201, { id, link: `login?token=${id}` });
  }],
  ['DELETE', 'users/:id', ({ world, id, reply }) => {
    world.users.delete(id);
    reply(204);
  }],
  ['GET', 'keys', ({ world }) => ({ items: [...world.keys.values()] })],
  ['POST', 'keys', ({ world, body, reply }) => {
    const id = world.id('k');
    world.keys.set(id, { id, name: body.name, created: Date.now() });
    reply(201, { id, key: `jiang-${id}-shown-once` });
  }],
  ['DELETE', 'keys/:id', ({ world, id, reply }) => {
    world.keys.delete(id);
    reply(204);
  }],
];

function hide(agent, visitor) {
  if (!visitor) return agent;
  const { instructions: _, parameters: __, ...shown } = agent;
  return { ...shown, parameters: {} };
}

function loadOrUnload(world, name, loaded) {
  const model = world.models.find((m) => m.name === name);
  if (!model) throw notFound();
  Object.assign(model, { loaded, load_progress: loaded ? 1 : 0, memory_bytes: loaded ? model.memory_needed : 0 });
  world.tell({ type: 'models' });
  return model;
}

function findRoute(method, path) {
  for (const [wanted, pattern, handle] of routes) {
    const parts = pattern.split('/');
    if (wanted !== method || parts.length !== path.length) continue;
    if (parts.every((part, i) => part.startsWith(':') || part === path[i])) {
      const id = path[parts.findIndex((part) => part.startsWith(':'))];
      return { handle, id, pattern };
    }
  }
  return null;
}

async function api(world, request, response, path, query) {
  const reply = (status, value) => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(value === undefined ? undefined : JSON.stringify(value));
  };
  try {
    if (request.method !== 'GET' && request.headers['content-type'] !== 'application/json' && request.method !== 'DELETE') {
      throw new Failure(415, 'content_type', 'Content-Type must be application/json');
    }
    const cookie = /jiang_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
    const share = world.shares.get(cookie);
    const visitor = share !== undefined;
    const session = {
      user: visitor ? { id: `v-${cookie}`, name: '', role: 'visitor' } : world.loggedOut ? null : { id: 'u1', name: 'owner', role: 'owner' },
      keyless: true, version: '0.1.0', share: visitor ? { kind: share.kind, id: share.id, agent: share.kind === 'agent' ? share.id : '' } : null,
    };
    const found = findRoute(request.method, path);
    if (!found) throw notFound();
    const context = { world, request, response, query, reply, session, visitor, id: found.id, body: request.method === 'GET' ? {} : await bodyOf(request) };
    if (found.pattern.startsWith('conversations/:id')) {
      context.conversation = world.conversations.get(found.id);
      if (!context.conversation) throw notFound();
    }
    const value = await found.handle(context);
    if (value !== undefined && !response.headersSent) reply(200, value);
  } catch (cause) {
    if (response.headersSent) return void response.end();
    const { status = 500, code = 'internal', param = null } = cause;
    if (status === 500) console.error(cause);
    reply(status, { error: { message: cause.message, code, param } });
  }
}

function asset(dist, request, response, path) {
  const file = join(dist, normalize(`/${path || 'index.html'}`));
  if (!existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404, SECURITY_HEADERS);
    return void response.end('not found');
  }
  response.writeHead(200, {
    ...SECURITY_HEADERS,
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Cache-Control': path.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  createReadStream(file).pipe(response);
}

/** Resolves to the listening server; its `world` is the state. */
export function startMock({ port = 0, dist = fileURLToPath(new URL('../../build/web/dist', import.meta.url)), prefix = '', pace, prefillMs, world = new World({ pace, prefillMs }) } = {}) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://mock');
    if (!url.pathname.startsWith(`${prefix}/`)) {
      response.writeHead(404);
      return void response.end();
    }
    const path = url.pathname.slice(prefix.length + 1).split('/').map(decodeURIComponent);
    if (path[0] === 's' || path[0] === 'login') {
      const token = path[0] === 's' ? path[1] : 'owner';
      if (path[0] === 's' && !world.shares.has(token)) {
        response.writeHead(404);
        return void response.end('this link is no longer valid');
      }
      response.writeHead(303, { Location: path[0] === 's' ? '../' : './', 'Set-Cookie': `jiang_session=${token}; HttpOnly; SameSite=Strict; Path=${prefix}/` });
      return void response.end();
    }
    if (path[0] === 'jiang' && path[1] === 'v1') return void api(world, request, response, path.slice(2), url.searchParams);
    return asset(dist, request, response, path.join('/'));
  });
  server.world = world;
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const flag = (name, otherwise) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? otherwise : process.argv[at + 1];
  };
  const options = { port: Number(flag('port', 8089)), prefix: flag('prefix', ''), pace: Number(flag('pace', 25)) };
  const dist = flag('dist', '');
  const server = await startMock(dist ? { ...options, dist } : options);
  console.log(`http://127.0.0.1:${server.address().port}${options.prefix}/`);
}
