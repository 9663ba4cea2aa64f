"""A terminal screen of the size that the line editor needs: what a person would see."""
import re
import unicodedata

TOKENS = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|[\s\S]")


class Screen:
    def __init__(self, columns):
        self.columns = columns
        self.rows = [[]]
        self.row = self.column = 0
        self.wraps = False  # the last column is filled: the next character begins a row

    def down(self):
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])

    def put(self, character):
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self.wraps or self.column + width > self.columns:
            self.down()
            self.column = 0
        self.wraps = False
        cells = self.rows[self.row]
        cells.extend([" "] * (self.column + width - len(cells)))
        cells[self.column:self.column + width] = [character] + [""] * (width - 1)
        self.column += width
        if self.column == self.columns:
            self.column, self.wraps = self.columns - 1, True

    def feed(self, text):
        for token in TOKENS.finditer(text):
            argument, command = token[1], token[2]
            if command is None:
                character = token[0]
                if character == "\r":
                    self.column, self.wraps = 0, False
                elif character == "\n":
                    self.wraps = False
                    self.down()
                elif unicodedata.combining(character):
                    self.rows[self.row][self.column - 1] += character
                else:
                    self.put(character)
            elif command in "AC":
                self.wraps = False
                count = int(argument or 1)
                self.row -= count if command == "A" else 0
                self.column += count if command == "C" else 0
                assert self.row >= 0 and self.column < self.columns, (self.row, self.column)
            elif command == "J":
                assert not argument
                self.rows[self.row] = self.rows[self.row][:self.column]
                del self.rows[self.row + 1:]
            else:
                assert command in "hlmK", token[0]
        return self

    def text(self):
        return ["".join(row).rstrip() for row in self.rows]
