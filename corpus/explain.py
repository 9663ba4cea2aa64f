"""Explains a C program line by line, by patterns: the same words for the same kind of line.

explain(code, lang) returns one sentence per distinct line, or None when a line is of no known kind,
so that nothing untrue is said.
"""
import re

# (pattern, Chinese, English); \1 and so on are the groups. The first that matches the whole line.
NAME = r"[A-Za-z_]\w*"
TYPE = r"(?:(?:static |const |unsigned |struct |enum |long |signed )*[A-Za-z_]\w*)(?: long)?"
RULES = [
    (r'#include [<"]([\w.]+)[>"]', "引入头文件`\\1`。", "Brings in the header `\\1`."),
    (rf"#define ({NAME}) (.+)", "定义宏`\\1`，它代表`\\2`。", "Defines the macro `\\1`, which stands for `\\2`."),
    (r"int main\(void\) \{", "主函数，程序从这里开始执行。", "The main function: the program starts here."),
    (r"int main\(int argc, char \*argv\[\]\) \{", "主函数，`argc`和`argv`是命令行参数。",
     "The main function; `argc` and `argv` are the command-line arguments."),
    (r"return 0;", "返回0，结束函数。", "Returns 0 and ends the function."),
    (r"return (-?\d+);", "返回\\1。", "Returns \\1."),
    (r"return;", "直接结束函数。", "Ends the function at once."),
    (r"return (.+);", "返回`\\1`的值。", "Returns the value of `\\1`."),
    (r"printf\(\"\\n\"\);", "输出换行。", "Prints a new line."),
    (r'printf\("([^"%]*)"\);', "输出文字`\\1`。", "Prints the text `\\1`."),
    (r'printf\("((?:[^"\\]|\\.)*)", (.+)\);', "按格式`\\1`输出`\\2`。", "Prints `\\2` with the format `\\1`."),
    (r"putchar\((.+)\);", "输出字符`\\1`。", "Prints the character `\\1`."),
    (r'if \(scanf\("((?:[^"\\]|\\.)*)", (.+)\) != (\d+)\) \{', "用`scanf`读入`\\2`，没有读到\\3项就执行下面的代码。",
     "Reads `\\2` with `scanf`; if it does not get \\3, the block runs."),
    (r'while \(scanf\("((?:[^"\\]|\\.)*)", (.+)\) == (\d+)\) \{', "只要`scanf`还能读到\\3项，就继续循环。",
     "Loops as long as `scanf` reads \\3."),
    (rf"for \(int ({NAME}) = (.+); (.+); (.+)\) \{{", "循环：`\\1`从`\\2`开始，条件是`\\3`，每轮执行`\\4`。",
     "A loop: `\\1` starts at `\\2`, goes on while `\\3`, and does `\\4` each round."),
    (r"for \((.*); (.+); (.+)\) \{", "循环：先执行`\\1`，条件是`\\2`，每轮执行`\\3`。",
     "A loop: first `\\1`, then while `\\2`, with `\\3` each round."),
    (r"while \((.+)\) \{", "当`\\1`成立时重复执行。", "Repeats while `\\1` holds."),
    (r"do \{", "先执行一次循环体。", "Runs the body once first."),
    (r"\} while \((.+)\);", "如果`\\1`成立，就再来一遍。", "Goes round again if `\\1` holds."),
    (r"if \((.+)\) \{", "如果`\\1`成立，就执行下面的代码。", "If `\\1` holds, the block runs."),
    (r"\} else if \((.+)\) \{", "否则，如果`\\1`成立，就执行下面的代码。", "Otherwise, if `\\1` holds, this block runs."),
    (r"\} else \{", "否则执行下面的代码。", "Otherwise this block runs."),
    (r"switch \((.+)\) \{", "根据`\\1`的值选择分支。", "Chooses a branch by the value of `\\1`."),
    (r"case (.+?): (.+); break;", "值为`\\1`时，执行`\\2`，然后跳出。", "For `\\1`: does `\\2` and leaves."),
    (r"case (.+?): return (.+);", "值为`\\1`时，返回`\\2`。", "For `\\1`: returns `\\2`."),
    (r"case (.+):", "值为`\\1`时。", "For `\\1`."),
    (r"default: (.+);", "其他情况执行`\\1`。", "Otherwise does `\\1`."),
    (r"default:", "其他情况。", "Otherwise."),
    (r"break;", "跳出。", "Leaves the loop or the switch."),
    (r"continue;", "直接进入下一轮循环。", "Goes on with the next round."),
    (rf"struct ({NAME}) \{{", "定义结构体`\\1`。", "Defines the struct `\\1`."),
    (r"typedef struct(?: \w+)? \{", "用`typedef`定义结构体类型。", "Defines a struct type with `typedef`."),
    (rf"\}} ({NAME});", "类型名是`\\1`。", "The type's name is `\\1`."),
    (rf"({TYPE}) \*?({NAME})\((.*)\) \{{", "定义函数`\\2`，返回类型是`\\1`，参数是`\\3`。",
     "Defines the function `\\2` of type `\\1` with the parameters `\\3`."),
    (rf"({TYPE}) \*?({NAME})\((.*)\);", "声明函数`\\2`。", "Declares the function `\\2`."),
    (rf"(?:const )?({TYPE}) \*({NAME}) = malloc\((.+)\);", "用`malloc`申请内存，地址存到`\\2`。",
     "Asks for memory with `malloc` and keeps its address in `\\2`."),
    (r"free\((.+)\);", "释放`\\1`的内存。", "Frees the memory of `\\1`."),
    (rf'FILE \*({NAME}) = fopen\((.+), "(\w+)"\);', "用`fopen`以`\\3`方式打开`\\2`。", "Opens `\\2` with `fopen` in mode `\\3`."),
    (r"fclose\((.+)\);", "关闭文件`\\1`。", "Closes the file `\\1`."),
    (rf"(?:const )?({TYPE}) ({NAME})\[\] = (.+);", "定义数组`\\2`，并给出初值。", "Defines the array `\\2` with its values."),
    (rf"(?:const )?({TYPE}) ({NAME})((?:\[\w+\])+) = (.+);", "定义数组`\\2`，并给出初值。", "Defines the array `\\2` with its values."),
    (rf"(?:const )?({TYPE}) ({NAME})((?:\[\w+\])+);", "定义数组`\\2`。", "Defines the array `\\2`."),
    (rf"int n = sizeof ({NAME}) / sizeof \1\[0\];", "计算数组`\\1`的元素个数。", "Computes how many elements `\\1` has."),
    (rf"(?!return)(?:const )?({TYPE}) \*({NAME}) = (.+);", "定义指针`\\2`，初值是`\\3`。", "Defines the pointer `\\2`, first `\\3`."),
    (rf"(?!return)(?:const )?({TYPE}) ({NAME}) = ([^,]+);", "定义变量`\\2`，类型是`\\1`，初值是`\\3`。",
     "Defines `\\2` of type `\\1`, first `\\3`."),
    (rf"(?!return)({TYPE}) (\*?{NAME}(?: = [^,]+)?(?:, \*?{NAME}(?: = [^,]+)?)*);", "定义`\\1`类型的变量`\\2`。",
     "Defines `\\2` of type `\\1`."),
    (r"([\w.\[\]>()*+-]+)\+\+;", "`\\1`加1。", "Adds 1 to `\\1`."),
    (r"([\w.\[\]>()*+-]+)--;", "`\\1`减1。", "Takes 1 from `\\1`."),
    (r"([^=]+) \+= (.+);", "把`\\2`加到`\\1`上。", "Adds `\\2` to `\\1`."),
    (r"([^=]+) -= (.+);", "从`\\1`减去`\\2`。", "Takes `\\2` from `\\1`."),
    (r"([^=]+) \*= (.+);", "`\\1`乘以`\\2`。", "Multiplies `\\1` by `\\2`."),
    (r"([^=]+) /= (.+);", "`\\1`除以`\\2`。", "Divides `\\1` by `\\2`."),
    (r"([^=]+) %= (.+);", "`\\1`对`\\2`取余。", "Keeps the remainder of `\\1` by `\\2`."),
    (r"([^=]+) = (.+);", "把`\\2`的值赋给`\\1`。", "Assigns `\\2` to `\\1`."),
    (rf"({NAME})\((.*)\);", "调用函数`\\1`。", "Calls the function `\\1`."),
]
RULES = [(re.compile(p), zh, en) for p, zh, en in RULES]
SILENT = re.compile(r"\}|\};|")


def explain(code, lang, limit=24):
    """[(line, sentence)], or None."""
    out, seen = [], set()
    for line in code.split("\n"):
        line = re.sub(r"\s*//.*$", "", line).strip()
        if SILENT.fullmatch(line) or line in seen:
            continue
        seen.add(line)
        for pattern, zh, en in RULES:
            found = pattern.fullmatch(line)
            if found:
                out.append((line, found.expand(zh if lang == "zh" else en)))
                break
        else:
            return None
    return out if 0 < len(out) <= limit else None
