// The state behind the mock: docs/api.md in memory.
import { randomBytes } from 'node:crypto';
import { answerTo, pieces } from './answers.mjs';

export const craftsman = {
  id: 'craftsman', name: '代码匠', avatar: '', introduction: 'C语言代码一键生成，编程master亲自讲授，知识点同步掌握！',
  instructions: '你是代码匠，专门处理用户编程需求，通过提示词快速生成C语言代码，并以耐心细致的语气指导用户理解代码及背后的知识点。你的能力有:\n-解析用户需求，快速生成C语言代码。\n-列出编写代码所需的知识点。\n-鼓励用户学习并理解代码逻辑。',
  skills: [], code: true, web: true, opening: '你好，我是代码匠，专帮你解决C语言编程难题，让我们猛猛开始吧！',
  questions: ['如何用C语言实现一个简单的计算器？', '请编写一个C语言程序，实现数组排序\n。', '我想用C语言做一个学生管理系统，应该如何开始编写代码？'],
  model: '', parameters: {}, built_in: true, file: false, warning: null,
};

export class World {
  constructor({ pace = 25, prefillMs = 400 } = {}) {
    this.pace = pace;
    this.prefillMs = prefillMs;
    this.sequence = 0;
    this.conversations = new Map();
    this.messages = new Map();
    this.runs = new Map();
    this.agents = new Map([[craftsman.id, craftsman]]);
    this.agentErrors = [];
    this.shares = new Map();
    this.presets = new Map();
    this.keys = new Map();
    this.users = new Map([['u1', { id: 'u1', name: 'owner', role: 'owner' }]]);
    this.settings = {};
    this.pulls = new Map();
    this.listeners = new Set();
    this.models = [{
      name: 'craftsman', provider: 'local', bytes: 24e6, parameters: 21e6, type: 'q8_0', context: 4096, loaded: true, loading: false,
      load_progress: 1, memory_bytes: 90e6, memory_needed: 90e6, tokens_per_second: 412.5, capabilities: ['completion'], small: true, default: true,
    }];
    this.catalogue = [
      { name: 'qwen2.5-1.5b-instruct', title: 'Qwen2.5 1.5B Instruct', parameters: 1.54e9, bytes: 986e6, memory_needed: 1.6e9, licence: 'Apache-2.0', fits: true, expected_tps: 18.4, recommended: true, installed: false },
      { name: 'qwen3-4b', title: 'Qwen3 4B', parameters: 4.02e9, bytes: 2.5e9, memory_needed: 3.6e9, licence: 'Apache-2.0', fits: true, expected_tps: 7.2, recommended: false, installed: false },
      { name: 'glm-4-9b', title: 'GLM-4 9B', parameters: 9.4e9, bytes: 5.7e9, memory_needed: 7.9e9, licence: 'glm-4', fits: false, expected_tps: null, recommended: false, installed: false },
    ];
  }

  id(prefix) {
    this.sequence += 1;
    return `${prefix}${this.sequence.toString(36)}${randomBytes(3).toString('hex')}`;
  }
  /** Always later than the one before: order does not depend on a clock. */
  now() {
    this.clock = Math.max(Date.now(), (this.clock ?? 0) + 1);
    return this.clock;
  }
  tell(event) {
    for (const listener of this.listeners) listener(event);
  }

  createConversation({ agent_id = null, model = '', title = '', folder = '', settings = {} }) {
    const now = this.now();
    const conversation = { id: this.id('c'), title, agent_id, model, folder, pinned: false, created: now, updated: now, leaf: null, settings };
    this.conversations.set(conversation.id, conversation);
    return conversation;
  }
  of(conversation) {
    return [...this.messages.values()].filter((m) => m.conversation === conversation.id);
  }
  shown(conversation) {
    return { ...conversation, running: this.of(conversation).some((m) => m.status === 'running') };
  }
  addMessage(conversation, fields) {
    const message = {
      id: this.id('m'), parent: null, role: 'user', content: '', reasoning: '', parts: [], status: 'done', error: null,
      created: this.now(), model: '', stats: null, feedback: null, run: null, run_event: 0, attachments: [], conversation: conversation?.id ?? '', ...fields,
    };
    this.messages.set(message.id, message);
    return message;
  }
  public(message) {
    const { conversation: _, ...shown } = message;
    return shown;
  }

  /** Starts writing `answer`; the run goes on without anybody listening. */
  startRun(question, answer, { temporary = false, conversation = null, settings = {} } = {}) {
    const run = { id: this.id('r'), events: [], waiting: new Set(), stopped: false, over: false };
    this.runs.set(run.id, run);
    answer.run = run.id;
    answer.run_event = 0;
    answer.status = 'running';
    const emit = (event) => {
      if (run.dead) return;
      run.events.push({ id: run.events.length + 1, event });
      if (!temporary) answer.run_event = run.events.length;
      for (const wake of run.waiting) wake();
    };
    const finish = (status) => {
      if (run.dead) return;
      answer.status = status;
      answer.run = null;
      const generated = Array.from(answer.content).length;
      answer.stats = {
        prompt_tokens: 128, cached_tokens: 96, generated_tokens: generated, ttft_ms: this.prefillMs, prefill_tps: 320.5,
        decode_tps: 1000 / Math.max(this.pace, 1), context_used: Math.min(4096, 128 + generated), context: 4096,
      };
      run.over = true;
      emit({ type: 'done', status, stats: answer.stats, message: temporary ? null : this.public(answer) });
      if (conversation) this.tell({ type: 'conversation', id: conversation.id });
    };
    void this.write(run, question, answer, settings, emit, finish, conversation);
    return run;
  }

  async write(run, question, answer, settings, emit, finish, conversation) {
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    answer.model = 'craftsman';
    emit({ type: 'queued', position: 1 });
    for (let i = 1; i <= 4 && !run.stopped; i += 1) {
      await wait(this.prefillMs / 4);
      emit({ type: 'prefill', done: i * 32, total: 128, eta_ms: (this.prefillMs * (4 - i)) / 4 });
    }
    if (/思考|think/i.test(question) || settings.thinking) {
      for (const piece of pieces('先想想要做什么，再一步一步来。')) {
        if (run.stopped) break;
        answer.reasoning += piece;
        emit({ type: 'reasoning', text: piece });
        await wait(this.pace);
      }
    }
    if (/联网|搜索/.test(question)) {
      for (const part of [
        { type: 'tool_call', id: 't1', name: 'web_search', arguments: '{"query":"C 语言"}' },
        { type: 'tool_result', id: 't1', name: 'web_search', ok: true, output: '3 个结果', millis: 212 },
        { type: 'sources', items: [{ n: 1, title: 'C 语言', url: 'https://example.org/c', quote: '一门通用的编程语言。' }] },
      ]) {
        answer.parts.push(part);
        emit({ type: 'part', part });
      }
    }
    const text = answerTo(question);
    if (text === null) {
      answer.error = 'the model ran out of memory';
      emit({ type: 'error', message: answer.error, code: 'out_of_memory' });
      finish('error');
      return;
    }
    const limit = settings.max_tokens ?? Infinity;
    let written = 0;
    const already = answer.content.length;
    for (const piece of pieces(text.slice(already))) {
      if (run.stopped) break;
      if (written >= limit) break;
      answer.content += piece;
      written += 1;
      emit({ type: 'text', text: piece });
      if (this.pace > 0) await wait(this.pace);
      else if (written % 50 === 0) await wait(0);
    }
    if (conversation && conversation.title === '') {
      conversation.title = question.slice(0, 18);
      emit({ type: 'title', title: conversation.title });
    }
    if (conversation) conversation.updated = this.now();
    finish(run.stopped ? 'stopped' : written >= limit ? 'length' : 'done');
  }

  /** What a crash leaves: answers cut off where they were, and no runs. */
  crash() {
    for (const run of this.runs.values()) Object.assign(run, { dead: true, stopped: true });
    this.runs.clear();
    for (const message of this.messages.values()) {
      if (message.status === 'running') Object.assign(message, { status: 'interrupted', run: null });
    }
  }

  startPull(name) {
    const there = [...this.pulls.values()].find((pull) => pull.name === name && !pull.over);
    if (there) return there;
    const item = this.catalogue.find((entry) => entry.name === name);
    const pull = { id: this.id('p'), name, done: 0, total: item.bytes, phase: 'downloading', over: false, waiting: new Set(), last: null };
    this.pulls.set(pull.id, pull);
    const step = () => {
      if (pull.over) return;
      pull.done = Math.min(pull.total, pull.done + pull.total / 12);
      pull.last = { type: 'progress', file: `${name}.gguf`, done: pull.done, total: pull.total, bytes_per_second: pull.total / 3, eta_s: (3 * (pull.total - pull.done)) / pull.total, phase: pull.phase };
      if (pull.done >= pull.total) {
        pull.over = true;
        pull.last = { type: 'done', model: name };
        item.installed = true;
        this.models.push({
          name, provider: 'local', bytes: item.bytes, parameters: item.parameters, type: 'q4_k_m', context: 8192, loaded: false, loading: false, load_progress: 0,
          memory_bytes: 0, memory_needed: item.memory_needed, tokens_per_second: null, capabilities: ['completion', 'tools', 'thinking'], small: false, default: false,
        });
        this.tell({ type: 'models' });
      } else {
        setTimeout(step, 250);
      }
      for (const wake of pull.waiting) wake();
    };
    setTimeout(step, 100);
    return pull;
  }
}
