// A model that says what web/mock/answers.mjs has, behind OpenAI's protocol: `jiang serve` takes it
// as a remote one. It calls the tools that it is offered, so that the browser sees an agent work.
import { createServer } from 'node:http';
import { answerTo, pieces } from '../../web/mock/answers.mjs';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const sortProgram = `#include <stdio.h>

int main(void) {
    int a[3];
    for (int i = 0; i < 3; i++)
        if (scanf("%d", &a[i]) != 1) return 1;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2 - i; j++)
            if (a[j] > a[j + 1]) {
                int t = a[j];
                a[j] = a[j + 1];
                a[j + 1] = t;
            }
    printf("%d %d %d\\n", a[0], a[1], a[2]);
    return 0;
}
`;

// What the model does next: words, or a call.
function turn(messages, tools) {
  const last = messages.at(-1);
  const at = messages.findLastIndex((message) => message.role === 'user');
  const question = at < 0 ? '' : String(messages[at].content);
  const offered = (name) => tools.some((tool) => tool.function.name === name);
  if (last?.role === 'tool') {
    return { text: /stdout:\n([^\n]*)/.test(last.content) ? `程序已经编译并运行，输入 3 1 2，输出是 **${/stdout:\n([^\n]*)/.exec(last.content)[1]}**。` : `工具说：${last.content.slice(0, 200)}` };
  }
  if (/排序|运行/.test(question) && offered('run_c')) return { call: { name: 'run_c', arguments: { code: sortProgram, input: '3 1 2' } } };
  if (/联网|搜索/.test(question) && offered('web_search')) return { call: { name: 'web_search', arguments: { query: 'C 语言' } } };
  if (/死循环/.test(question) && offered('run_c')) return { call: { name: 'run_c', arguments: { code: 'int main(void) { for (;;); }\n' } } };
  return { thought: /思考|think/i.test(question) ? '先想想要做什么，再一步一步来。' : '', text: answerTo(question) };
}

/** Resolves to the listening server; `pace` and `prefillMs` may be changed at any time. */
export function startScripted() {
  const model = { pace: 6, prefillMs: 120, url: '', close: () => undefined };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const { messages, tools = [], max_tokens = Infinity } = JSON.parse(body);
    await wait(model.prefillMs);
    const { thought = '', text, call } = turn(messages, tools);
    if (text === null) {
      response.writeHead(500, { 'Content-Type': 'application/json' });
      return void response.end(JSON.stringify({ error: { message: 'the model ran out of memory' } }));
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const send = (choice, more = {}) => response.write(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', choices: choice ? [{ index: 0, finish_reason: null, ...choice }] : [], ...more })}\n\n`);
    for (const piece of pieces(thought)) {
      send({ delta: { reasoning_content: piece } });
      await wait(model.pace);
    }
    let written = 0;
    for (const piece of pieces(text ?? '')) {
      if (response.destroyed || written >= max_tokens) break;
      send({ delta: { content: piece } });
      written += 1;
      if (model.pace > 0) await wait(model.pace);
    }
    if (call) send({ delta: { tool_calls: [{ index: 0, id: 'call_0', type: 'function', function: { name: call.name, arguments: JSON.stringify(call.arguments) } }] } });
    send({ delta: {}, finish_reason: call ? 'tool_calls' : written >= max_tokens ? 'length' : 'stop' });
    send(null, { usage: { prompt_tokens: 128, completion_tokens: written + 1, total_tokens: 129 + written, prompt_tokens_details: { cached_tokens: 96 } } });
    response.end('data: [DONE]\n\n');
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      model.url = `http://127.0.0.1:${server.address().port}`;
      model.close = () => new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
      resolve(model);
    });
  });
}
