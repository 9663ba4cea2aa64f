// Chinese is where the page was written; en.ts has the same keys (the compiler and a test see to it).
export const zh = {
  name: '简体中文',
  app: { title: 'jiang · 匠', tagline: '在你自己的 CPU 上' },
  nav: {
    newChat: '新对话', agents: '智能体', models: '模型', workbench: '提示词工坊', history: '历史', settings: '设置',
    menu: '打开侧栏', closeMenu: '收起侧栏', skip: '跳到内容', main: '主导航', allHistory: '全部历史',
  },
  common: {
    save: '保存', cancel: '取消', close: '关闭', remove: '删除', edit: '编辑', copy: '复制', copied: '已复制', retry: '重试',
    download: '下载', more: '更多', back: '返回', loading: '加载中…', none: '无', confirmDelete: '删除后无法恢复。', create: '新建',
    import: '导入', export: '导出', rename: '改名', search: '搜索', on: '开', off: '关', yes: '是', no: '否', optional: '可不填',
  },
  gate: {
    title: '先敲一下门',
    body: '请在浏览器里打开 jiang 启动时在终端打印的那个一次性链接。打开一次，这个浏览器就记住你了。',
    hint: '链接用过或找不到了？在运行 jiang 的终端里重新启动，它会再打印一个。',
    unreachable: '连不上 jiang。它可能正在启动，或者已经停下。',
    trying: '正在重新连接…',
  },
  welcome: {
    ask: '试试这样问', skills: '技能', greetingPlain: '你好，想聊点什么？', aboutAgent: '关于这个智能体',
    temporaryTitle: '临时对话', temporaryBody: '这里说的话不会保存，关上页面就没有了。',
  },
  small: {
    title: '先说句实话',
    body: (model: string) => `现在用的是随程序自带的小模型 ${model}，它只懂 C 语言，别的问题多半答不好。`,
    offer: (title: string, size: string) => `一键换个大一点的：${title}（${size}）`,
    speed: (rate: string) => `，在这台机器上约每秒 ${rate} 个词元，按本机实测推算`,
    speedUnknown: '，速度要装好后才能在这台机器上测得',
    noOffer: '目录里没有适合这台机器的更大模型。',
    get: '下载', later: '先不用', all: '看看其他模型',
  },
  composer: {
    placeholder: (name: string) => `问${name}点什么…`, placeholderPlain: '说点什么…', send: '发送', stop: '停止',
    attach: '添加文本文件', removeFile: (name: string) => `移除 ${name}`, hintEnter: 'Enter 发送，Shift+Enter 换行',
    hintModEnter: 'Ctrl+Enter 发送，Enter 换行', tooBig: (name: string) => `${name} 太大：最多 2 MB。`,
    notText: (name: string) => `${name} 不是文本文件。`, pasted: (n: number) => `粘贴的文字 ${n}`, label: '输入消息',
    drop: '松开即可添加文件', busy: '正在回答；可以先写下一句。',
  },
  message: {
    you: '你', copy: '复制', edit: '编辑', regenerate: '重新回答', continue: '继续', remove: '删除', undo: '撤回上一轮',
    like: '回答得好', dislike: '回答得不好', previous: '上一个版本', next: '下一个版本', branch: (n: number, of: number) => `${n}/${of}`,
    branchLabel: (n: number, of: number) => `第 ${n} 个版本，共 ${of} 个`, stats: '统计', save: '发送修改', showAll: '显示全部',
    showLess: '收起', removed: '已删除', removeTitle: '删除这条消息？', removeBody: '它下面的回复也会一起删除；其他分支不受影响。',
    earlier: '更早的消息', answered: '回答完毕。', actions: '消息操作', opening: '开场白', editing: '编辑消息',
    comment: '哪里不好？（可不填）', commentSend: '提交', thanks: '记下了。', attachments: '附件', image: '图片：点击在新窗口打开',
  },
  status: {
    waiting: '等待开始…', queued: (n: number) => `排队中，前面还有 ${n} 个`, loading: (model: string, percent: number) => `正在载入模型 ${model} ${percent}%`,
    prefill: (percent: number) => `正在读题 ${percent}%`, eta: (time: string) => `约剩 ${time}`, thinking: '正在思考…', writing: '正在写…',
    stopped: '已停止', interrupted: '回答中断了：服务器在中途停下。', length: '到长度上限了', error: '出错了',
    lost: '连接断开，正在重连…', runGone: '这次回答已经结束。', done: '完成',
  },
  thinking: { title: '思考过程', running: '思考中', took: (time: string) => `思考了 ${time}` },
  stats: {
    ttft: '首字', prefill: '读题', decode: '生成', tokens: '词元', prompt: '提示', generated: '生成', cached: '缓存命中', context: '上下文',
    perSecond: '词元/秒', contextWarning: (percent: number) => `上下文已用 ${percent}%。再聊下去可能装不下，建议开一个新对话。`,
    newChat: '带着摘要开新对话', plainNew: '开新对话', summaryRequest: '请用几句话总结我们到目前为止的对话，好让它在新的对话里继续。', summarising: '正在写摘要…', raise: '上限可在启动时用 --ctx 调大',
  },
  code: {
    copy: '复制代码', download: '下载代码', wrap: '自动换行', run: '运行', stop: '停止', input: '程序的输入（标准输入）',
    output: '输出', compileFailed: '编译没有通过', running: '编译并运行中…', noOutput: '程序没有输出。', cut: '输出太长，后面的没有显示。',
    exit: (code: number) => `退出码 ${code}`, signal: (name: string) => `被信号 ${name} 结束`, millis: (ms: number) => `${ms} 毫秒`,
    stopped: '已停止。', warnings: '编译器的提醒', files: '文件', text: '文本',
  },
  parts: {
    toolCall: '调用工具', toolResult: '工具结果', failed: '失败', code: '代码', execution: '运行结果', sources: '来源',
    approvalTitle: (name: string) => `智能体想使用「${name}」`, once: '允许这一次', always: '总是允许', deny: '不允许',
    answered: { once: '已允许一次', always: '已总是允许', deny: '已拒绝' }, took: (ms: number) => `${ms} 毫秒`,
  },
  chat: {
    untitled: '新对话', temporary: '临时对话', temporaryOn: '临时对话：不保存', toBottom: '回到最新', model: '模型',
    defaultModel: '默认模型', options: '对话选项', share: '分享', shareConversation: '分享这个对话', exportMarkdown: '导出 Markdown', exportJson: '导出 JSON',
    exportHtml: '导出网页', deleteTitle: '删除这个对话？', notFound: '没有这个对话，也许已经删除。', log: '对话内容', api: '用 API 调用',
    system: '系统提示', systemHint: '只对这个对话有效，替换智能体的配置信息。', temperature: '温度', topP: 'Top-p', maxTokens: '最多词元', seed: '随机种子', thinking: '思考',
    thinkingAuto: '随模型', parameters: '参数', readOnly: '这是别人分享的对话，只能看。', folder: '文件夹', noFolder: '不放进文件夹', newFolder: '新文件夹的名字', pin: '置顶', unpin: '取消置顶',
    move: '移到文件夹', shortcuts: '快捷键', startOwn: '用这个智能体聊',
  },
  history: {
    title: '历史', search: '搜索对话', empty: '还没有对话。', nothing: (q: string) => `没有找到“${q}”。`, pinned: '置顶',
    ages: { today: '今天', yesterday: '昨天', week: '近 7 天', month: '近 30 天', older: '更早' }, more: '更早的对话', folders: '文件夹', all: '全部',
    importTitle: '导入对话', importHint: 'jiang、ChatGPT 或 Open WebUI 导出的 JSON', imported: (n: number, skipped: number) =>
      skipped > 0 ? `导入了 ${n} 个，跳过 ${skipped} 个。` : `导入了 ${n} 个对话。`, running: '正在回答', notJson: '这不是 JSON 文件。',
  },
  agents: {
    title: '智能体', intro: '每个智能体有自己的性格、本事和开场白。', create: '新建智能体', import: '导入', builtIn: '自带', fromFile: '文件',
    chat: '开始聊天', edit: '编辑', copy: '复制一份', copyOf: (name: string) => `${name} 副本`, share: '分享', remove: '删除',
    deleteTitle: (name: string) => `删除智能体“${name}”？`, name: '名称', avatar: '头像', avatarHint: '一个表情，或上传一张小图', upload: '上传图片',
    introduction: '简介', instructions: '配置信息', instructionsHint: '告诉它是谁、该怎么做。访客看不到。', skills: '技能', skillsHint: '每行一项',
    abilities: '能力', code: '代码能力', codeHint: '在隔离的沙箱里编译和运行代码', web: '联网能力', webHint: '搜索网页并给出出处', opening: '开场白',
    questions: '预置问题', questionsHint: '每行一个，点一下就能问', addQuestion: '加一个问题', question: (n: number) => `问题 ${n}`, removeQuestion: (n: number) => `删除问题 ${n}`, model: '模型', parameters: '参数',
    preview: '预览', sentence: '一句话创建', sentenceHint: '例如：一个耐心教小朋友学拼音的老师', draft: '帮我填好', drafting: '正在想…',
    byTemplate: '模型太小，这是按模板填的，请自己改改。', saved: '已保存', fileError: (file: string, line: number) => `${file} 第 ${line} 行`,
    fileErrors: '这些文件有错，正在用的还是上一次正确的版本：', dropped: (fields: string) => `这些字段用不上，没有导入：${fields}`,
    warning: '模型可能太小', notFound: '没有这个智能体。', tooLarge: '图片太大：最多 64 KB。', fileHint: (id: string) => `也可以直接编辑文件 agents/${id}.toml，一秒内生效。`,
    exportToml: '导出 TOML', exportJson: '导出 JSON', unavailable: '这里不能用', details: '介绍', nameRequired: '请填名称。', unsaved: '有没保存的修改，确定离开？',
    discard: '放弃修改', readOnlyBuiltIn: '自带的智能体不能改，复制一份再改。',
  },
  share: {
    title: '分享', private: '仅自己', link: '有链接的人', server: '这台服务器上的所有人', create: '生成链接', revoke: '收回', revoked: '链接已失效',
    hint: '打开链接的人可以和它聊天，但看不到配置信息。', conversationHint: '打开链接的人可以看到这个对话。', copied: '链接已复制', level: '谁可以打开', existing: '已有的链接', none: '还没有分享。',
  },
  models: {
    title: '模型', installed: '已安装', catalogue: '可以下载', load: '载入', unload: '卸下', loaded: '已载入', loading: '载入中', default: '默认',
    makeDefault: '设为默认', memory: (used: string, budget: string) => `内存：已用 ${used}，上限 ${budget}`, needs: (size: string) => `需要内存 ${size}`,
    speed: (rate: string) => `本机 ${rate} 词元/秒`, notMeasured: '还没有测过速度', context: (n: string) => `上下文 ${n}`, parameters: (n: string) => `${n} 参数`,
    small: '小模型', recommended: '推荐', doesNotFit: '这台机器的内存不够', installedMark: '已安装', download: '下载', cancel: '取消下载',
    progress: (done: string, total: string, rate: string) => `${done} / ${total}，每秒 ${rate}`, eta: (time: string) => `还要 ${time}`, finished: (name: string) => `${name} 已经装好。`,
    failed: '下载失败', expected: (rate: string) => `预计每秒 ${rate} 个词元`, licence: '许可', empty: '还没有安装模型。', resume: '下载中断后会从断点继续。',
    phases: { resolving: '查找', downloading: '下载', verifying: '校验', converting: '转换', quantizing: '量化', packing: '整理' } as Record<string, string>,
    capabilities: { tools: '工具', thinking: '思考', embedding: '向量' } as Record<string, string>, noCatalogue: '目录现在读不到。',
  },
  workbench: {
    title: '提示词工坊', intro: '同一个问题，两种设置，并排看结果。', left: '甲', right: '乙', system: '系统提示', variables: '变量', question: '问题', run: '两边一起跑', runOne: '只跑这边', stop: '停止',
    variablesHint: '在提示里写 {{名字}}，在这里填值', exact: '看真正的提示', exactTitle: '模型真正读到的', segmentTemplate: '来自模板', segmentData: '来自你', tokens: (n: number) => `${n} 个词元`,
    savePreset: '存为预设', saveAgent: '存为智能体', presets: '预设', presetName: '预设名称', noPresets: '还没有预设。', apply: '使用', answer: '回答', questionRequired: '先写一个问题。', token: '词元', showTokens: '看词元', showText: '看原文',
  },
  api: {
    title: '用 API 调用', intro: '和 OpenAI 一样的接口，把下面的代码粘过去就能用。', needsKey: '把 YOUR_KEY 换成在“设置”里新建的密钥。', keyless: '本机访问不需要密钥。', model: '模型名',
  },
  settings: {
    title: '设置', language: '语言', auto: '跟随系统', theme: '外观', light: '浅色', dark: '深色', sendKey: '发送键', enter: 'Enter', modEnter: 'Ctrl+Enter',
    stats: '显示每条回答的统计', defaultModel: '默认模型', keys: 'API 密钥', newKey: '新建密钥', keyName: '密钥名称', keyOnce: '只显示这一次，请现在复制。', noKeys: '还没有密钥。',
    users: '成员', newUser: '添加成员', userName: '名字', role: '身份', roles: { owner: '主人', user: '成员', visitor: '访客' }, userLink: '把这个一次性链接发给对方：', shares: '分享链接', feedback: '下载全部反馈（JSONL）', about: '关于',
    version: (v: string) => `jiang ${v}`, logout: '退出登录', shortcuts: '快捷键', data: '数据', licences: '所用软件的许可', offline: '这个页面的一切都来自你自己的机器，不向外部请求任何东西。',
  },
  shortcuts: {
    newChat: '新对话', search: '搜索', sidebar: '收起侧栏', stop: '停止回答', focus: '到输入框', editLast: '编辑上一句（输入框为空时）', help: '快捷键一览', temporary: '临时对话',
    copyLast: '复制最后的回答', copyCode: '复制最后的代码', regenerate: '重新回答',
  },
  errors: {
    unreachable: '服务器没有回应。', login_required: '请先登录。', unknown: '出了点问题。', run_gone: '这次回答的记录已经过期。',
    copy: '浏览器不让复制；请手动选中。',
  } as Record<string, string>,
};

export type Dictionary = typeof zh;
