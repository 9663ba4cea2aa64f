"""`jiang run agent:NAME`: agents on the terminal. What a model would call is in agent_test and
server_test; here a model of random weights babbles."""
import os
import shutil
import tempfile

from support import Case, Terminal, jiang, scratch, tiny_model


class Agents(Case):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.mkdtemp(dir=scratch)
        os.makedirs(os.path.join(cls.home, "models"))
        os.makedirs(os.path.join(cls.home, "agents"))
        shutil.copy(tiny_model(), os.path.join(cls.home, "models", "tiny.gguf"))
        cls.env = {"JIANG_HOME": cls.home}
        with open(os.path.join(cls.home, "agents", "poet.toml"), "w") as file:
            file.write('name = "诗人"\nopening = "Shall we rhyme?"\nmodel = "tiny"\n'
                       'questions = ["A poem about bread"]\ncode = true\n'
                       '[parameters]\ntemperature = 0\nmax_tokens = 4\n')
        with open(os.path.join(cls.home, "agents", "broken.toml"), "w") as file:
            file.write('name = "x"\nopning = "y"\n')

    def test_answers_one_prompt_by_id_or_by_name(self):
        first = jiang("run", "agent:poet", "hello", env=self.env)
        self.assertEqual(first.returncode, 0, first.stderr)
        second = jiang("run", "agent:诗人", "-p", "hello", env=self.env)
        self.assertEqual(second.stdout, first.stdout)
        longer = jiang("run", "agent:poet", "hello", "-n", "12", env=self.env)
        self.assertEqual(longer.returncode, 0, longer.stderr)
        self.assertNotEqual(longer.stdout, first.stdout)

    def test_greets_and_chats(self):
        terminal = Terminal("run", "agent:poet", env=self.env)
        terminal.expect("Shall we rhyme?")
        terminal.expect("A poem about bread")
        terminal.prompt()
        terminal.type("hello\r")
        terminal.prompt()
        terminal.type("/clear\r")
        terminal.expect("forgotten")
        terminal.prompt()
        terminal.type("/bye\r")
        self.assertEqual(terminal.finish(), 0, terminal.plain())

    def test_what_is_wrong_is_one_sentence(self):
        self.refused("run", "agent:peot", "x", env=self.env, says="did you mean 'poet'?")
        self.refused("run", "agent:broken", "x", env=self.env, says=("broken.toml:2", "opening"))
        self.refused("run", "agent:poet", "x", "--raw", env=self.env, says="--raw does not go")
        self.refused("run", "agent:poet", "x", "--system", "s", env=self.env, says="--system")
