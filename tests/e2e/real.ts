// Starts `jiang serve` with a home and a port of its own, on the model of scripted.mjs, or on the
// file that JIANG_E2E_MODEL names.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// @ts-expect-error: plain JavaScript
import { startScripted } from './scripted.mjs';
import type { Site } from './site';

interface Running {
  child: ChildProcess;
  url: string;
  link: string;
}

// The one-time link is printed to a terminal only: script(1) is one.
function launch(binary: string, home: string, port: number, prefix: string): Promise<Running> {
  const model = process.env['JIANG_E2E_MODEL'];
  const words = [binary, 'serve', ...(model ? [model] : []), '--port', String(port), ...(prefix ? ['--base-path', prefix] : [])];
  const command = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('script', ['-qfec', `exec ${command}`, '/dev/null'], {
    env: { ...process.env, JIANG_HOME: home, LC_ALL: 'C.UTF-8', NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Promise((done, failed) => {
    let said = '';
    const timer = setTimeout(() => failed(new Error(`jiang serve said within 60 s only: ${said}`)), 60_000);
    const read = (bytes: Buffer) => {
      said += bytes.toString('utf8');
      const url = /listening on (\S+)/.exec(said)?.[1];
      const link = /(https?:\S+\/login\?token=\S+)/.exec(said)?.[1];
      if (!url || !link) return;
      clearTimeout(timer);
      done({ child, url, link });
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.on('exit', (code) => {
      clearTimeout(timer);
      failed(new Error(`jiang serve ended with ${code}: ${said}`));
    });
  });
}

function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

// As a crash: the server itself, which is a child of script(1) in a session of its own.
function kill(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return done();
    child.once('exit', () => done());
    const servers = children(child.pid);
    for (const pid of servers.length > 0 ? servers : [child.pid]) process.kill(pid, 'SIGKILL');
  });
}

/** The session's cookie, got as a browser would get it. */
async function logIn(link: string): Promise<string> {
  const response = await fetch(link, { redirect: 'manual' });
  const cookie = /jiang_session=([^;]+)/.exec(response.headers.get('set-cookie') ?? '')?.[1];
  if (!cookie) throw new Error(`the one-time link gave no session: ${response.status}`);
  return cookie;
}

export async function startReal(binary: string, prefix: string): Promise<Site> {
  const home = mkdtempSync(join(tmpdir(), 'jiang-e2e-'));
  mkdirSync(join(home, 'agents'), { recursive: true });
  const scripted = await startScripted();
  writeFileSync(join(home, 'config.toml'), `[remote.scripted]\nprovider = "openai"\nurl = "${scripted.url}"\nmodels = ["c"]\ncontext = 4096\n`);
  let running = await launch(binary, home, 0, prefix);
  const { url } = running;
  const cookie = await logIn(running.link);
  if (!process.env['JIANG_E2E_MODEL']) {
    const chosen = await fetch(`${url.replace(/\/$/, '')}/jiang/v1/settings`, {
      method: 'PATCH', headers: { 'Content-Type': 'application/json', cookie: `jiang_session=${cookie}` }, body: JSON.stringify({ default_model: 'scripted/c' }),
    });
    if (!chosen.ok) throw new Error(`settings: ${chosen.status}`);
  }
  return {
    url: `${url.replace(/\/$/, '')}/`,
    real: true,
    setPace: (ms) => (scripted.pace = ms),
    setPrefill: (ms) => (scripted.prefillMs = ms),
    enter: async (context) => {
      await context.addCookies([{ name: 'jiang_session', value: cookie, url, httpOnly: true, sameSite: 'Strict' }]);
    },
    restart: async () => {
      await kill(running.child);
      running = await launch(binary, home, Number(new URL(url).port), prefix);
    },
    writeAgentFile: (id, text) => writeFileSync(join(home, 'agents', `${id}.toml`), text),
    close: async () => {
      await kill(running.child);
      await scripted.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
