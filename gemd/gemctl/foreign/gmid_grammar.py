"""The grammar of gmid's configuration language, in the spellings of 1.x and 2.x.

Rules: what a statement may be is said by the table in gmid_forms; macros and files that are included stand for what
they have.
"""

import os
from collections.abc import Sequence

from gemd.gemctl.failure import Failure
from gemd.gemctl.foreign.gmid_forms import FORMS, KEYWORDS, SIGNS, VALUES, Directive
from gemd.gemctl.foreign.gmid_words import Word, split_words
from gemd.gemctl.foreign.original import Spot, mistake, read_original

_MOST_WORDS = 200_000  # with all that macros and files stand for
_MOST_TEXT = 4 << 20  # characters of these
_MOST_FILES = 50


class _Mismatch(Exception):
    def __init__(self, place: int, expected: str) -> None:
        super().__init__(expected)
        self.place, self.expected = place, expected


def parse_gmid(text: str, file: str) -> list[Directive]:
    """The statements of a file and of those that it includes. Raises Failure."""
    return _Parser(text, file).parse_block("")


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        self.words: list[Word] = []
        self.place = self.size = 0
        self.macros: dict[str, str] = {}
        self.lines: dict[str, list[str]] = {}
        self.files = 0
        self.end = Spot(file, text.count("\n") + 1)
        self._insert(text, file)

    def _insert(self, text: str, file: str) -> None:
        self.files += 1  # one that includes itself is read each time
        if self.files > _MOST_FILES:
            raise mistake(Spot(file), f"more than {_MOST_FILES} files are included")
        self.lines[file] = text.split("\n")
        self._replace(self.place, [*split_words(text, file)])

    def _replace(self, until: int, words: Sequence[Word]) -> None:
        self.words[self.place : until] = words
        self.size += sum(len(word.text) for word in words)
        if len(self.words) > _MOST_WORDS or self.size > _MOST_TEXT:
            raise mistake(self.end, "macros and files that are included make too much of this")

    def peek(self) -> Word:
        """The next word, a macro's in its place."""
        while True:
            if self.place >= len(self.words):
                return Word("nothing", "the end of the file", self.end)
            word = self.words[self.place]
            if word.kind not in ("$", "@"):
                return word
            if word.text not in self.macros:
                raise mistake(word.spot, f"there is no macro {word.text}")
            value = self.macros[word.text]
            if word.kind == "$":
                self._replace(self.place + 1, [Word("string", value, word.spot)])
            else:
                expanded = [Word(each.kind, each.text, word.spot) for each in split_words(value, word.spot.file)]
                if any(each.kind in ("$", "@") for each in expanded):
                    raise mistake(word.spot, f"the macro {word.text} has a macro in it, which gmid does not expand")
                self._replace(self.place + 1, expanded)

    def take(self) -> Word:
        """The next word, which is passed."""
        word = self.peek()
        self.place += 1
        return word

    def skip_ends(self) -> None:
        """Pass line ends and semicolons."""
        while self.peek().kind == "end":
            self.place += 1

    def parse_block(self, table: str) -> list[Directive]:
        """The statements up to the brace that closes the block, or to the end of the file."""
        found: list[Directive] = []
        while True:
            self.skip_ends()
            word = self.peek()
            if word.kind == "nothing" and not table:
                return found
            if word.kind == "sign" and word.text == "}" and table:
                return found
            if table == "types":
                self._parse_types(found)
            elif word.kind == "word" and word.text in FORMS[table]:
                self._parse_known(table, found)
            elif not table and word.kind in ("word", "number") and self._is_macro():
                self._parse_macro()
            else:
                raise mistake(word.spot, f"expected one of {', '.join(sorted(FORMS[table]))}, not {word.text}")

    def _parse_known(self, table: str, found: list[Directive]) -> None:
        statement = self._parse_statement(FORMS[table][self.peek().text])
        if statement.keyword == "include":
            self._include(statement)
        else:
            found.append(statement)

    def _is_macro(self) -> bool:
        following = self.words[self.place + 1 : self.place + 2]
        return bool(following) and following[0].text == "=" and following[0].kind == "sign"

    def _parse_macro(self) -> None:
        name = self.take().text
        self.place += 1
        try:
            self.macros[name] = self._match_value("S")
        except _Mismatch as mismatch:
            self._complain(mismatch)

    def _include(self, statement: Directive) -> None:
        """Have the words of the file next."""
        path = os.path.join(os.path.dirname(statement.spot.file), statement.value(0))
        try:
            text = read_original(path, is_included=True)
        except Failure as failure:
            raise mistake(statement.spot, f"can't be included: {failure.lines[0]}") from None
        self._insert(text + "\n", path)

    def _parse_types(self, found: list[Directive]) -> None:
        """A media type with its extensions, or a file of such lines."""
        word = self.peek()
        if word.kind == "word" and word.text == "include":
            statement = self._parse_statement(("include T",))
            if os.path.basename(statement.value(0)) == "mime.types":
                found.append(statement)
            else:
                self._include(statement)
            return
        values = []
        while self.peek().kind in ("word", "string", "number"):
            values.append(self.take().text)
        if len(values) < 2 or self.peek().text not in ("\n", ";", "}"):
            raise mistake(word.spot, f"expected a media type and extensions, not {word.text}")
        found.append(self._make("type", values, [], word.spot))

    def _parse_statement(self, forms: Sequence[str]) -> Directive:
        begun, spot = self.place, self.peek().spot
        furthest = _Mismatch(-1, "")
        for form in forms:
            self.place = begun
            values: list[str] = []
            inner: list[Directive] = []
            try:
                self._match(form.split(), values, inner)
            except _Mismatch as mismatch:
                furthest = max(furthest, mismatch, key=lambda each: each.place)
                continue
            return self._make(form, values, inner, spot)
        raise self._complain(furthest)

    def _make(self, form: str, values: list[str], inner: list[Directive], spot: Spot) -> Directive:
        return Directive(form, values, inner, spot, self.lines[spot.file][spot.line - 1].strip())

    def _complain(self, mismatch: _Mismatch) -> Failure:
        self.place = mismatch.place
        word = self.peek()
        shown = "the end of the line" if word.kind == "end" else word.text
        raise mistake(word.spot, f"expected {mismatch.expected}, not {shown}")

    def _match(self, form: list[str], values: list[str], inner: list[Directive]) -> None:
        """Pass what the form says; what is in brackets only if it begins as that does."""
        form = [*form]
        while form:
            each = form.pop(0)
            if each == "[":
                end = _find_end(form)
                optional, form = form[:end], form[end + 1 :]
                is_here = self._is_word(optional[0])
                count = sum(word in VALUES for word in optional)
                is_here = self._is_word(optional[0])
                if is_here:
                    self._match(optional, values, inner)
                else:
                    values += [""] * count
                if not count:
                    values.append("on" if is_here else "off")
            elif each == "{":
                self.skip_ends()
                self._expect("{")
                inner += self.parse_block(form.pop(0))
                self._expect(form.pop(0))
            elif each in VALUES:
                values.append(self._match_value(each))
            elif each in SIGNS:
                self._expect(each)
            elif self._is_word(each):
                self.place += 1
            else:
                raise _Mismatch(self.place, each)

    def _is_word(self, text: str) -> bool:
        word = self.peek()
        return word.kind == "word" and word.text == text

    def _expect(self, sign: str) -> None:
        word = self.peek()
        if word.kind != "sign" or word.text != sign:
            raise _Mismatch(self.place, sign)
        self.place += 1

    def _match_value(self, kind: str) -> str:
        word = self.peek()
        if kind in ("N", "V") and word.kind == "number":
            return self.take().text
        if kind == "B" and word.kind == "word" and word.text in ("on", "off"):
            return self.take().text
        if kind == "A" and word.kind == "sign" and word.text == "*":
            return self.take().text
        if kind in ("N", "B") or not self._is_string(word):
            raise _Mismatch(self.place, VALUES[kind])
        text = self.take().text
        while kind == "S" and self._is_string(self.peek()):
            text += self.take().text
        return text

    def _is_string(self, word: Word) -> bool:
        return word.kind == "string" or (word.kind == "word" and word.text not in KEYWORDS)


def _find_end(form: list[str]) -> int:
    """Where the bracket is that closes one that is open."""
    depth = 1
    for i, word in enumerate(form):
        depth += {"[": 1, "]": -1}.get(word, 0)
        if not depth:
            return i
    raise AssertionError(form)
