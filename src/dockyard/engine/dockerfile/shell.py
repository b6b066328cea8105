"""Variables in Dockerfile arguments: `$A`, `${A:-default}`, quotes and escapes, as upstream reads them.

Reference: https://docs.docker.com/reference/dockerfile/#environment-replacement
"""

from collections.abc import Mapping

_DEEPEST = 100  # substitutions inside one another


class ExpansionError(ValueError):
    """The text can't be expanded: an open quote, an unknown modifier, a required variable that is missing."""


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """The word with its variables replaced, and quotes and escapes taken away."""
    return _Lexer(word, variables, escape).run()


def expand_words(
    word: str, variables: Mapping[str, str], escape: str = "\\", *, keep_unset: bool = False
) -> list[str]:
    """As `expand`, then divided at the blanks that were not quoted.

    `keep_unset`: a variable without a value stays as it is written.
    """
    lexer = _Lexer(word, variables, escape, keep_unset=keep_unset)
    lexer.run()
    return lexer.words


class _Lexer:
    def __init__(
        self, text: str, variables: Mapping[str, str], escape: str, *, keep_unset: bool = False
    ) -> None:
        self._keep_unset = keep_unset
        self._depth = 0
        self._text = text
        self._at = 0
        self._variables = variables
        self._escape = escape
        self.words: list[str] = []
        self._word = ""
        self._started = False

    def run(self) -> str:
        result = self._until("")
        if self._started:
            self.words.append(self._word)
        return result

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        return char

    def _add(self, text: str, *, divide: bool) -> None:
        """Collect for `words`; blanks divide only outside quotes."""
        for char in text:
            if divide and char.isspace():
                if self._started:
                    self.words.append(self._word)
                self._word, self._started = "", False
            else:
                self._word += char
                self._started = True

    def _until(self, stop: str) -> str:
        result = ""
        while (char := self._peek()) and char != stop:
            if char == "'":
                part = self._single()
                self._add(part, divide=False)
                self._started = True
            elif char == '"':
                part = self._double()
                self._add(part, divide=False)
                self._started = True
            elif char == "$":
                part = self._dollar()
                self._add(part, divide=True)
            elif char == self._escape:
                self._next()
                part = self._next() or self._escape
                self._add(part, divide=False)
            else:
                part = self._next()
                self._add(part, divide=True)
            result += part
        return result

    def _single(self) -> str:
        self._next()
        end = self._text.find("'", self._at)
        if end < 0:
            raise ExpansionError("unexpected end of statement while looking for matching single-quote")
        part = self._text[self._at : end]
        self._at = end + 1
        return part

    def _double(self) -> str:
        self._next()
        result = ""
        while True:
            char = self._peek()
            if not char:
                raise ExpansionError("unexpected end of statement while looking for matching double-quote")
            if char == '"':
                self._next()
                return result
            if char == "$":
                result += self._dollar()
            elif char == self._escape:
                self._next()
                following = self._peek()
                if not following:
                    result += char
                elif following in ('"', "$", self._escape):
                    result += self._next()
                else:
                    result += char + self._next()
            else:
                result += self._next()

    def _dollar(self) -> str:
        start = self._at
        name, value = self._replacement()
        if self._keep_unset and name and name not in self._variables:
            return self._text[start : self._at]
        return value

    def _replacement(self) -> tuple[str, str]:
        """What was read as a name, and what stands for it."""
        self._next()
        if self._peek() != "{":
            name = self._name()
            return name, self._value(name) if name else "$"
        self._next()
        if not self._peek():
            raise ExpansionError("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise ExpansionError("syntax error: bad substitution")
        name = self._name()
        char = self._next()
        if char == "}":
            return name, self._value(name)
        colon = char == ":"
        modifier = self._next() if colon else char
        if not modifier:
            raise ExpansionError("syntax error: missing '}'")
        if modifier not in "-+?":
            raise ExpansionError(
                f"unsupported modifier ({char + modifier if colon else modifier}) in substitution"
            )
        return name, self._modified(name, modifier, colon)

    def _modified(self, name: str, modifier: str, colon: bool) -> str:
        words, word, started = list(self.words), self._word, self._started
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ExpansionError("syntax error: too many substitutions inside one another")
        alternative = self._until("}")
        self._depth -= 1
        # The alternative was collected on the way; what counts is the value it gives.
        self.words, self._word, self._started = words, word, started
        if self._next() != "}":
            raise ExpansionError("syntax error: missing '}'")
        is_set = name in self._variables and (not colon or self._variables[name] != "")
        if modifier == "+":
            return alternative if is_set else ""
        if modifier == "?" and not is_set and not self._keep_unset:
            raise ExpansionError(f"{name}: {alternative or 'not allowed to be unset'}")
        return self._value(name) if is_set else alternative

    def _name(self) -> str:
        start = self._at
        char = self._peek()
        if char.isdigit() or (char and char in "@*#?-!"):
            self._next()
            while char.isdigit() and self._peek().isdigit():
                self._next()
            return self._text[start : self._at]
        while (char := self._peek()) and (char.isalnum() or char == "_"):
            self._next()
        return self._text[start : self._at]

    def _value(self, name: str) -> str:
        return self._variables.get(name, "")
