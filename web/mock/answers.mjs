// What the scripted model says. A question picks its answer by the first pattern that it matches.

const calculator = `好的！下面是一个能做加减乘除的简单计算器。

\`\`\`c
#include <stdio.h>

int main(void) {
    double a, b;
    char op;

    printf("请输入算式，例如 3 + 4：");
    if (scanf("%lf %c %lf", &a, &op, &b) != 3) {
        printf("看不懂这个算式。\\n");
        return 1;
    }
    switch (op) {
        case '+': printf("%g\\n", a + b); break;
        case '-': printf("%g\\n", a - b); break;
        case '*': printf("%g\\n", a * b); break;
        case '/':
            if (b == 0) { printf("除数不能为 0。\\n"); return 1; }
            printf("%g\\n", a / b);
            break;
        default: printf("不认识的运算符：%c\\n", op); return 1;
    }
    return 0;
}
\`\`\`

**用到的知识点**

1. \`scanf\` 的返回值是成功读入的项数，读不满三项就说明输入有问题；
2. \`switch\` 按运算符分情况处理，别忘了 \`break\`；
3. 除法之前先检查除数，因为 $a / 0$ 没有意义。

| 运算符 | 含义 | 例子 |
|:--|:--|--:|
| \`+\` | 加 | 3 + 4 = 7 |
| \`/\` | 除 | 7 / 2 = 3.5 |

自己动手把乘方也加进去吧，你一定可以！`;

const sort = `数组排序最先学的是**冒泡排序**：相邻的两个数比较，大的往后走。

\`\`\`c
#include <stdio.h>

int main(void) {
    int a[] = {5, 2, 9, 1, 7};
    int n = sizeof a / sizeof a[0];
    for (int i = 0; i < n - 1; i++)
        for (int j = 0; j < n - 1 - i; j++)
            if (a[j] > a[j + 1]) {
                int t = a[j];
                a[j] = a[j + 1];
                a[j + 1] = t;
            }
    for (int i = 0; i < n; i++) printf("%d ", a[i]);
    printf("\\n");
    return 0;
}
\`\`\`

比较的次数是 $\\frac{n(n-1)}{2}$，也就是 \\(O(n^2)\\)：

$$
\\sum_{i=1}^{n-1} (n-i) = \\frac{n(n-1)}{2}
$$

想一想：如果某一趟没有发生交换，可以提前结束吗？`;

const long = Array.from({ length: 400 }, (_, i) =>
  i % 10 === 9
    ? `\`\`\`c\nint f${i}(int x) {\n    return x * ${i};\n}\n\`\`\``
    : `第 ${i + 1} 段：这是一个很长的回答，用来看页面在**长时间**的流式输出里是否仍然顺滑，其中有 \`code\`、[链接](https://example.org/${i}) 和公式 $x_{${i}}^2$。`,
).join('\n\n');

export const XSS = [
  '<script>window.pwned=1</script>', '<img src=x onerror="window.pwned=1">', '<svg onload="window.pwned=1"></svg>',
  '[x](javascript:window.pwned=1)', '![x](https://evil.example/?q=1)', '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
];

const scripts = [
  [/^说 (?<text>[\s\S]*)$/, (m) => m.groups.text],
  [/计算器/, () => calculator],
  [/排序/, () => sort],
  [/很长|long/i, () => long],
  [/XSS/, () => XSS.join('\n\n')],
  [/错误/, () => null],
  [/总结|Summar/i, () => '我们聊了 C 语言，写了一个计算器。'],
  [/学生管理/, () => '学生管理系统可以从**结构体**开始：\n\n```c\nstruct Student {\n    char name[32];\n    int id;\n    float score;\n};\n```\n\n然后一步步加上：\n\n- [x] 录入\n- [ ] 查询\n- [ ] 修改与删除\n- [ ] 存到文件\n'],
  [/./s, (m, question) => `你说的是“${question.slice(0, 60)}”。这是演示用的回答，真正的模型会认真作答。`],
];

export function answerTo(question) {
  for (const [pattern, say] of scripts) {
    const match = pattern.exec(question);
    if (match) return say(match, question);
  }
  return '…';
}

/** Pieces as a model gives them: a few characters each, never half a character. */
export function pieces(text) {
  const out = [];
  const characters = Array.from(text);
  for (let i = 0; i < characters.length; i += 1 + ((i * 7) % 4)) out.push(characters.slice(i, i + 1 + ((i * 7) % 4)).join(''));
  return out;
}
