import { createServer, request as ask, type Server } from 'node:http';
import { expect, presets, settled, test } from './site';

// As notebook services do: a path in front, taken away before the request goes on.
const PATH = '/dsw-1/proxy/8080';

function startProxy(target: URL): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url?.startsWith(`${PATH}/`)) {
      outgoing.writeHead(404);
      return void outgoing.end('outside of the proxy');
    }
    const forward = ask(
      { host: target.hostname, port: target.port, method: incoming.method, path: incoming.url.slice(PATH.length), headers: { ...incoming.headers, host: target.host, ...(incoming.headers.origin ? { origin: target.origin } : {}) } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forward.destroy());
    incoming.pipe(forward);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

test('@smoke the page works behind a proxy below a path', async ({ page, site, watch }) => {
  const proxy = await startProxy(new URL(site.url));
  const address = proxy.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const outside: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${port}${PATH}/`)) outside.push(request.url());
  });
  await page.goto(`http://127.0.0.1:${port}${PATH}/`);
  site.setPace(0);
  await presets(page).first().click();
  await settled(page);
  await page.reload();
  await settled(page);
  await page.goto(`http://127.0.0.1:${port}${PATH}/#/models`);
  await expect(page.getByRole('heading', { name: '模型', level: 1 })).toBeVisible();
  expect(outside).toEqual([]);
  // The watch knows the server's own origin; here all that matters is the proxy's.
  watch.foreign.length = 0;
  proxy.closeAllConnections();
  proxy.close();
});
