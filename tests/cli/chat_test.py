"""The interactive chat, on a pseudo terminal."""
import json
import os
import signal

from screen import Screen
from support import Case, Terminal, scratch, slow_model, tiny_model


class Chat(Case):
    def start(self, *arguments, **options):
        terminal = Terminal("run", tiny_model(), "--temp", "0", "-n", "6", *arguments, **options)
        terminal.expect(">>> ")
        return terminal

    def leave(self, terminal):
        terminal.type("\x04")
        self.assertEqual(terminal.finish(), 0, terminal.plain())

    def test_answers_and_leaves(self):
        for goodbye in ("\x04", "/bye\r", "/exit\n"):
            terminal = self.start("--verbose")
            terminal.prompt()
            terminal.type("hello\r")
            terminal.expect("first token after")
            terminal.prompt()
            terminal.type(goodbye)
            self.assertEqual(terminal.finish(), 0)

    def test_the_second_turn_reads_only_what_is_new(self):
        terminal = self.start("--verbose")
        terminal.type("hello\r")
        terminal.expect("(0 cached)")
        terminal.type("and now\r")
        terminal.expect(" cached)")
        self.assertNotIn("(0 cached)", terminal.plain()[terminal.seen - 12:])
        terminal.prompt()
        self.leave(terminal)

    def test_control_c_on_an_empty_line_hints_and_on_a_text_drops_it(self):
        terminal = self.start()
        terminal.type("\x03")
        terminal.expect("Ctrl-D or /bye leaves")
        terminal.prompt()
        terminal.type("half a thought\x03")
        terminal.expect("half a thought")
        terminal.prompt()
        self.leave(terminal)

    def test_control_c_stops_the_answer_and_the_chat_goes_on(self):
        terminal = Terminal("run", slow_model(), "--temp", "1", "--verbose")
        terminal.prompt()
        terminal.type("tell me\r")
        terminal.expect("tell me\n")
        terminal.read_more(30)
        terminal.type("\x03")
        terminal.expect("first token after", timeout=20)
        terminal.prompt()
        self.leave(terminal)

    def test_a_request_to_terminate_is_obeyed_everywhere(self):
        terminal = self.start()
        terminal.prompt()
        os.kill(terminal.pid, signal.SIGTERM)
        self.assertEqual(terminal.finish(20), 1)
        terminal = Terminal("run", slow_model(), "--temp", "1")
        terminal.prompt()
        terminal.type("tell me\r")
        terminal.expect("tell me\n")
        terminal.read_more(30)
        os.kill(terminal.pid, signal.SIGTERM)
        self.assertEqual(terminal.finish(20), 1)

    def test_commands(self):
        terminal = self.start()
        for text, wanted in (
                ("/?", "/set parameter"), ("/set parameter temp 0.5", ""),
                ("/set parameter tmep 0.5", "did you mean 'temp'?"),
                ("/set parameter top_p 7", "must lie between 0 and 1"),
                ("/show parameters", "temp 0.5"), ("/set system be brief", ""),
                ("/show system", "be brief"), ("/show", "architecture"),
                ("/show template", "im_start"), ("/shwo", "did you mean '/show'?"),
                ("/clear", "forgotten")):
            terminal.prompt()
            terminal.type(text + "\r")
            terminal.expect(text + "\n")
            terminal.expect(wanted)
        terminal.prompt()
        self.leave(terminal)

    def test_save_and_load(self):
        path = os.path.join(scratch, "conversation.json")
        terminal = self.start("-s", "be kind")
        terminal.type("hello\r")
        terminal.prompt()
        terminal.type(f"/save {path}\r")
        terminal.expect("saved 2 messages")
        terminal.prompt()
        self.leave(terminal)
        saved = json.load(open(path))
        # The page's own export: what is said here can go on there, and the other way round.
        self.assertEqual(saved["format"], "jiang.conversation")
        self.assertEqual(saved["conversation"]["settings"], {"system": "be kind"})
        self.assertEqual([m["role"] for m in saved["messages"]], ["user", "assistant"])
        self.assertEqual(saved["messages"][1]["parent"], saved["messages"][0]["id"])
        self.assertEqual(saved["conversation"]["leaf"], saved["messages"][1]["id"])

        terminal = self.start()
        terminal.type(f"/load {path}\r")
        terminal.expect("loaded 2 messages")
        terminal.type("/show system\r")
        terminal.expect("be kind")
        terminal.type("/load /no/such/file\r")
        terminal.expect("/no/such/file: ")
        terminal.prompt()
        self.leave(terminal)

    def test_loads_the_branch_that_the_page_showed(self):
        def message(id, parent, role, content):
            return {"id": id, "parent": parent, "role": role, "content": content}
        path = os.path.join(scratch, "page.json")
        one = {"format": "jiang.conversation", "version": 1,
               "conversation": {"id": "c", "leaf": "b", "settings": {"system": "be brief"}},
               "messages": [message("q", "", "user", "hello"), message("a", "q", "assistant", "no"),
                            message("b", "q", "assistant", "yes")]}
        json.dump([one, one], open(path, "w"))
        loop = os.path.join(scratch, "loop.json")
        one = dict(one, messages=[message("b", "b", "user", "hello")])
        json.dump(one, open(loop, "w"))
        again = os.path.join(scratch, "again.json")
        terminal = self.start()
        terminal.type(f"/load {path}\r")
        terminal.expect("loaded 2 messages")
        terminal.expect("1 more in it were left alone")
        terminal.type(f"/load {loop}\r")
        terminal.expect("a message is its own ancestor")
        terminal.type(f"/save {again}\r")
        terminal.expect("saved 2 messages")
        terminal.prompt()
        self.leave(terminal)
        saved = json.load(open(again))
        self.assertEqual([m["content"] for m in saved["messages"]], ["hello", "yes"])
        self.assertEqual(saved["conversation"]["settings"], {"system": "be brief"})

    def test_several_lines(self):
        path = os.path.join(scratch, "lines.json")
        terminal = self.start()
        terminal.type('"""one\r')
        terminal.expect("... ")
        terminal.type('two"""\r')
        terminal.expect('two"""\n')
        terminal.prompt()
        terminal.type("\x1b[200~pasted\nlines\x1b[201~")
        terminal.expect("... lines")
        terminal.type("\r")
        terminal.prompt()
        terminal.type(f"/save {path}\r")
        terminal.expect("saved 4 messages")
        terminal.prompt()
        self.leave(terminal)
        messages = json.load(open(path))["messages"]
        self.assertEqual([m["content"] for m in messages if m["role"] == "user"],
                         ["one\ntwo", "pasted\nlines"])

    def test_history_is_kept_and_can_be_left_out(self):
        home = os.path.join(scratch, "history-home")
        terminal = self.start(env={"JIANG_HOME": home})
        terminal.type("a line to keep\r")
        terminal.prompt()
        self.leave(terminal)
        terminal = self.start("--nohistory", env={"JIANG_HOME": home})
        terminal.type("\x1b[A")
        terminal.expect("a line to keep")
        terminal.type("\x15a secret\r")
        terminal.expect("a secret\n")
        terminal.prompt()
        self.leave(terminal)
        path = os.path.join(home, "history")
        self.assertEqual(open(path).read(), "a line to keep\n")
        self.assertEqual(os.stat(path).st_mode & 0o077, 0)

    def test_wide_characters_are_edited_as_one(self):
        path = os.path.join(scratch, "w.json")
        terminal = self.start(columns=20)
        terminal.type("你好世界你好世界你好世界\x7f\x7f\x1b[D\x7fX")
        terminal.expect("X")
        terminal.type("\r")
        terminal.expect("\n>>> ")
        terminal.type(f"/save {path}\r")
        terminal.expect("saved 2 messages")
        terminal.expect(">>> ")
        self.leave(terminal)
        self.assertEqual(json.load(open(path))["messages"][0]["content"], "你好世界你好世界X好")

    def test_a_full_context_is_said_not_crashed(self):
        terminal = self.start("-c", "48")
        terminal.type("word " * 60 + "\r")
        terminal.expect("the context of 48 tokens is full")
        terminal.prompt()
        terminal.type("short\r")
        terminal.expect("short\n")
        terminal.prompt()
        self.leave(terminal)

    def test_what_is_typed_stands_on_the_screen_once(self):
        # Ending at, before and behind the edge; wide characters that meet it; several lines.
        texts = ["a" * 15, "a" * 16, "a" * 17, "a" * 35, "a" * 36, "a" * 37, "你好" * 4, "x" + "你好" * 4,
                 "你" * 30, "a\u0301" * 20, '"""one']
        terminal = self.start(columns=20, env={"NO_COLOR": "1"})
        terminal.read_more(1)
        for text in texts:
            with self.subTest(text=text):
                before = len(terminal.screen)
                for character in text:  # each key redraws
                    terminal.type(character)
                    terminal.read_more(5)
                terminal.type("\x1b[D\x1b[D\x01\x05")
                if text.startswith('"'):
                    terminal.type("\rtwo")
                    text += "\n... two"
                # A mark that is drawn last and then taken away again.
                terminal.type("#")
                terminal.expect("#")
                terminal.type("\x7f\x03")
                ready = "\x1b[?2004h\r\x1b[J>>> \r\x1b[4C"
                while not terminal.screen[before:].endswith(ready):
                    self.assertTrue(terminal.read_more(20), terminal.screen[before:])
                terminal.seen = len(terminal.plain())
                screen = Screen(20).feed(terminal.screen[before:].replace("\x1b[?2004l", "")).text()
                wanted = Screen(20).feed(">>> " + text.replace("\n", "\r\n")).text()
                self.assertEqual(screen[:len(wanted)], wanted)
                self.assertEqual(screen[-1], ">>>")
                self.assertLessEqual(len(screen), len(wanted) + 3)
        self.leave(terminal)

    def test_resizing_redraws(self):
        terminal = self.start(columns=60)
        terminal.type("abcdefghij" * 8)
        terminal.expect("abcdefghij" * 5)
        terminal.resize(30, 24)
        terminal.expect(">>> abcdefghij")
        terminal.type("\x03")
        terminal.expect("\n>>> ")
        self.leave(terminal)

    def test_dumb_terminals_read_plain_lines(self):
        terminal = Terminal("run", tiny_model(), "-n", "4", "--temp", "0", env={"TERM": "dumb"})
        terminal.expect(">>>")
        terminal.type("hello\n")
        terminal.expect("hello")
        terminal.expect(">>>")
        terminal.type("/bye\n")
        self.assertEqual(terminal.finish(), 0)
        self.assertNotIn("\x1b", terminal.screen)

    def test_no_color_means_no_color(self):
        terminal = self.start(env={"NO_COLOR": "1"})
        terminal.type("hello\r")
        terminal.expect("hello\n")
        terminal.prompt()
        self.leave(terminal)
        self.assertNotRegex(terminal.screen, r"\x1b\[[0-9;]*m")
