// Ready-to-paste calls of the OpenAI dialect, for the model or agent of now.

export interface Snippet {
  name: 'curl' | 'Python' | 'JavaScript';
  language: string;
  code: string;
}

function shellQuote(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}

export function apiSnippets(root: string, model: string, question: string, key: string): Snippet[] {
  const base = `${root}/v1`;
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: question }], stream: true }, null, 2);
  // JSON strings are valid in both languages.
  const [m, q, b, k] = [model, question, base, key || 'none'].map((text) => JSON.stringify(text));
  return [
    {
      name: 'curl',
      language: 'bash',
      code: `curl -N ${shellQuote(`${base}/chat/completions`)} \\\n  -H 'Content-Type: application/json' \\\n${
        key ? `  -H ${shellQuote(`Authorization: Bearer ${key}`)} \\\n` : ''
      }  -d ${shellQuote(body)}\n`,
    },
    {
      name: 'Python',
      language: 'python',
      code: `from openai import OpenAI

client = OpenAI(base_url=${b}, api_key=${k})
stream = client.chat.completions.create(
    model=${m},
    messages=[{"role": "user", "content": ${q}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
`,
    },
    {
      name: 'JavaScript',
      language: 'javascript',
      code: `import OpenAI from 'openai';

const client = new OpenAI({ baseURL: ${b}, apiKey: ${k} });
const stream = await client.chat.completions.create({
  model: ${m},
  messages: [{ role: 'user', content: ${q} }],
  stream: true,
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? '');
}
`,
    },
  ];
}
