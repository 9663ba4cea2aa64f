import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { apiSnippets } from './api_snippets';

describe('calls to paste', () => {
  const odd = `it's "quoted" \\ 你好 $HOME`;
  it('give a shell exactly the JSON that was meant', () => {
    const [curl] = apiSnippets('http://127.0.0.1:8080/x', 'agent:代码匠', odd, 'k');
    const script = (curl?.code ?? '').replace(/^curl -N/, 'for a in').replace(/\n$/, '; do printf "%s\\0" "$a"; done');
    const values = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
    expect(values[0]).toBe('http://127.0.0.1:8080/x/v1/chat/completions');
    expect(values).toContain('Authorization: Bearer k');
    const body = JSON.parse(values.at(-1) ?? '') as { model: string; messages: { content: string }[] };
    expect(body.model).toBe('agent:代码匠');
    expect(body.messages[0]?.content).toBe(odd);
  });
  it('name no key where none is needed', () => {
    expect(apiSnippets('http://h', 'm', 'q', '')[0]?.code).not.toContain('Authorization');
  });
});
