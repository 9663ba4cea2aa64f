// The one source file that is not ASCII: it is a table of text for people.
#include "cli/messages.h"

#include <array>
#include <cstdlib>

namespace jiang {
namespace {

struct Row {
  Phrase id;
  const char* english;
  const char* chinese;
};

constexpr Row kRows[] = {
    {Phrase::tagline, "jiang: run, quantise and measure language models on the CPU you have",
     "jiang（匠）：在您现有的 CPU 上运行、量化和评测语言模型"},
    {Phrase::usage, "usage: jiang COMMAND [OPTIONS]", "用法：jiang 命令 [选项]"},
    {Phrase::commands, "commands:", "命令："},
    {Phrase::more_help, "'jiang help COMMAND' shows a command's options and examples",
     "“jiang help 命令” 显示该命令的选项和示例"},
    {Phrase::error_prefix, "jiang: ", "jiang：错误："},
    {Phrase::unknown_command, "unknown command '{}'; 'jiang help' lists them",
     "没有命令 “{}”；“jiang help” 列出全部命令"},
    {Phrase::unknown_command_near, "unknown command '{}'; did you mean '{}'?",
     "没有命令 “{}”；您是想用 “{}” 吗？"},
    {Phrase::unknown_option, "unknown option '{}'; 'jiang help {}' lists them",
     "没有选项 “{}”；“jiang help {}” 列出全部选项"},
    {Phrase::unknown_option_near, "unknown option '{}'; did you mean '{}'?",
     "没有选项 “{}”；您是想用 “{}” 吗？"},
    {Phrase::out_of_memory,
     "out of memory; close other programs, or choose a smaller model or context (-c)",
     "内存不足；请关闭其他程序，或换用更小的模型或上下文（-c）"},
    {Phrase::bug, "this is a bug in jiang, please report it: {}",
     "这是 jiang 自身的缺陷，请报告：{}"},
    {Phrase::interrupted, "interrupted before the end", "已中断，没有做完"},
    {Phrase::stdout_closed,
     "standard output was closed by its reader before everything was written; "
     "read it to the end, or send it to a file",
     "标准输出在写完之前被读者关闭；请读到结尾，或输出到文件"},
    {Phrase::stdout_failed, "cannot write to standard output: {}; send it to another place",
     "无法写入标准输出：{}；请换一个输出位置"},
    {Phrase::no_model,
     "no MODEL was given and none is bundled yet; name a .gguf file or a Hugging Face folder: "
     "jiang run MODEL",
     "没有指定 MODEL，也没有内置模型；请给出一个 .gguf 文件或 Hugging Face 目录：jiang run MODEL"},
    {Phrase::waiting_for_stdin, "reading standard input, Ctrl-D ends it",
     "正在读取标准输入，按 Ctrl-D 结束"},
    {Phrase::context_full,
     "the context of {} tokens is full; /clear starts anew, -c N gives more room",
     "{} 个词元的上下文已满；/clear 重新开始，-c N 可以加大"},
    {Phrase::options, "options:", "选项："},
    {Phrase::examples, "examples:", "示例："},
    {Phrase::chat_hint, "context of {} tokens (trained for {}); /? for help, Ctrl-D leaves",
     "上下文 {} 个词元（训练长度 {}）；/? 查看帮助，Ctrl-D 退出"},
    {Phrase::chat_placeholder, "Send a message (/? for help)", "输入消息（/? 查看帮助）"},
    {Phrase::chat_leave_hint, "Ctrl-D or /bye leaves", "按 Ctrl-D 或输入 /bye 退出"},
    {Phrase::chat_help,
     "  /set parameter NAME VALUE   temp, top_k, top_p, min_p, seed, max_tokens, stop, ...\n"
     "  /set system TEXT            the system prompt (also /system TEXT)\n"
     "  /set verbose|quiet          speed after each answer\n"
     "  /set history|nohistory      keep what you type for the next time\n"
     "  /show [info|parameters|system|template]\n"
     "  /clear                      forget the conversation\n"
     "  /save FILE, /load FILE      the conversation as JSON\n"
     "  /bye                        leave (also Ctrl-D)\n"
     "  \"\"\"                         begins and ends a message of several lines\n"
     "  Ctrl-C                      stops the answer\n",
     "  /set parameter 名称 值      temp、top_k、top_p、min_p、seed、max_tokens、stop ……\n"
     "  /set system 文本            系统提示（也可用 /system 文本）\n"
     "  /set verbose|quiet          每次回答后显示速度\n"
     "  /set history|nohistory      是否保存输入历史\n"
     "  /show [info|parameters|system|template]\n"
     "  /clear                      忘掉这段对话\n"
     "  /save 文件, /load 文件      以 JSON 保存、读取对话\n"
     "  /bye                        退出（也可按 Ctrl-D）\n"
     "  \"\"\"                         多行消息的开始和结束\n"
     "  Ctrl-C                      停止回答\n"},
    {Phrase::chat_unknown, "unknown command '{}'; /? lists them", "没有命令 “{}”；/? 列出全部命令"},
    {Phrase::chat_unknown_near, "unknown command '{}'; did you mean '{}'?",
     "没有命令 “{}”；您是想用 “{}” 吗？"},
    {Phrase::chat_cleared, "the conversation is forgotten", "对话已清除"},
    {Phrase::chat_saved, "saved {} messages to {}", "已将 {} 条消息保存到 {}"},
    {Phrase::chat_loaded, "loaded {} messages from {}", "已从 {1} 读取 {0} 条消息"},
    {Phrase::chat_others_left, "the first conversation of the file; {} more in it were left alone",
     "读取了文件中的第一个对话；其余 {} 个未读取"},
    {Phrase::chat_no_template,
     "this model has no chat template: it continues your text as it stands",
     "该模型没有对话模板：它会直接续写您的文本"},
};
static_assert(std::size(kRows) == static_cast<size_t>(Phrase::count));

struct Summary {
  std::string_view command;
  const char* chinese;
};

constexpr Summary kSummaries[] = {
    {"run", "与模型对话，或回答一个提示"},
    {"tokenize", "把标准输入的文本变成词元编号，或反过来"},
    {"template", "按对话模板渲染提示"},
    {"logits", "每个位置上最大的 logits"},
    {"show", "模型的结构、大小、内存需求和模板"},
    {"list", "列出已安装的模型"},
    {"pull", "从魔搭（ModelScope）或 Hugging Face 下载模型并量化"},
    {"create", "用自己的系统提示、模板或参数做一个模型"},
    {"rm", "删除已安装的模型"},
    {"cp", "给已安装的模型起第二个名字"},
    {"verify", "核对已安装文件的哈希"},
    {"gc", "删除没有模型需要的文件"},
    {"du", "模型占用的磁盘空间"},
    {"embed", "把标准输入的每一行变成向量"},
    {"perplexity", "困惑度，以及与另一个模型的差异"},
    {"eval", "提出留出的问题，编译并运行回答中的程序，输出各项指标"},
    {"run-code", "在沙箱里编译并运行一个 C 程序：没有网络和文件，资源有限"},
    {"serve", "通过 HTTP 提供模型：OpenAI 的接口，多人同时使用"},
    {"bench serve", "同时服务许多客户端时，服务器的速度"},
    {"bench", "预填充和生成速度，以及它们占硬件极限的比例"},
    {"doctor", "CPU、内存、带宽，以及哪些模型跑得动"},
    {"quantize", "把模型量化为 GGUF 文件"},
    {"train tokenizer", "从文本学习一个字节级 BPE 分词器"},
    {"train pretrain", "用文本从随机权重开始训练一个新模型"},
    {"train sft", "用对话数据微调模型"},
    {"train dpo", "用成对的优劣回答调整模型"},
    {"train lora", "冻结模型权重，训练旁路的 LoRA 适配器"},
    {"merge", "把 LoRA 适配器并入模型权重"},
    {"train pairs", "采样回答，用程序打分，写出偏好数据"},
    {"imatrix", "从文本收集重要性矩阵"},
    {"backup", "把对话和用户的数据库复制成一个文件"},
    {"restore", "用备份替换数据库，原来的保留在旁边"},
    {"completion", "输出 bash、zsh 或 fish 的补全脚本"},
    {"dev make-model", "生成真实形状的随机权重模型"},
    {"dev quant-error", "各量化类型的误差"},
};

}  // namespace

Language ui_language() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    return std::string_view(value).substr(0, 2) == "zh" ? Language::chinese : Language::english;
  }
  return Language::english;
}

const char* message_format(Phrase which) {
  for (const Row& row : kRows) {
    if (row.id == which) return ui_language() == Language::chinese ? row.chinese : row.english;
  }
  return "";
}

std::string_view summary_of(const Command& command) {
  if (ui_language() == Language::chinese) {
    for (const Summary& row : kSummaries) {
      if (row.command == command.name) return row.chinese;
    }
  }
  return command.summary;
}

}  // namespace jiang
