"""Writes manual pages in man(7): ASCII lines that groff and mandoc render alike, without macros of our own."""

import re
from collections.abc import Iterable, Iterator

_CODE = re.compile(r"`([^`]+)`")
_TITLES = {"1": "User Commands", "5": "File Formats", "8": "System Administration"}


def page(file: str, lines: Iterable[str]) -> str:
    """Return the page with the file name `file`, such as `pinakad.8`, as text."""
    title, _, number = file.rpartition(".")
    words = (".TH", _quoted(title.upper()), _quoted(number), '""', _quoted("pinakad"), _quoted(_TITLES[number]))
    head = ['.\\" Made by python -m pinakad.generate from the programs themselves: change those.', " ".join(words)]
    return "\n".join([*head, ".nh", ".ad l", *lines]) + "\n"


def name(title: str, about: str) -> Iterator[str]:
    """Yield the lines of the section that apropos(1) reads."""
    yield from section("Name")
    yield f"{escaped(title)} \\- {escaped(about)}"


def section(title: str, content: str = "") -> Iterator[str]:
    """Yield the lines of a section: its heading and its text."""
    yield f".SH {_quoted(title.upper() if title[0].isalpha() else title)}"
    yield from text(content)


def subsection(title: str) -> Iterator[str]:
    """Yield the heading of a subsection."""
    yield f".SS {_quoted(title)}"


def usage(program: str, words: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a synopsis: the program and its words."""
    yield f".B {_quoted(program)}"
    yield from (escaped(word) for word in words)


def item(title: str, metavar: str | None, *contents: str) -> Iterator[str]:
    """Yield an entry of a list, such as an option, a key or a file; each of `contents` begins on a new line."""
    yield ".TP"
    yield f"\\fB{_inline(title)}\\fR" + ("" if metavar is None else f" \\fI{_inline(metavar)}\\fR")
    for number, content in enumerate(filter(None, contents)):
        yield from ([".br"] if number else [])
        yield from _lines(content)


def see_also(*titles: str) -> Iterator[str]:
    """Yield the lines of the section that names other pages, as in `pinakad(8)`."""
    yield from section("See also")
    for number, title in enumerate(titles, start=1):
        named, _, rest = title.partition("(")
        yield f".BR {_quoted(named)} {_quoted('(' + rest + (',' if number < len(titles) else ''))}"


def text(content: str) -> Iterator[str]:
    r"""Yield the paragraphs of `content` in the form of click's help: blank lines between, \b before a literal one."""
    for paragraph in content.strip().split("\n\n"):
        lines = paragraph.splitlines()
        if not lines:
            continue
        yield ".PP"
        if lines[0] == "\b":
            yield from (".RS 2", ".nf", *(escaped(line) or "\\&" for line in lines[1:]), ".fi", ".RE")
        else:
            yield from _lines(paragraph)


def escaped(line: str) -> str:
    """Return a line in which groff and mandoc find neither a request nor an escape."""
    body = _inline(line)
    return "\\&" + body if body.startswith((".", "'")) else body


def _lines(content: str) -> Iterator[str]:
    for line in content.strip().splitlines():
        pieces = _CODE.split(escaped(line))
        yield "".join(f"\\fB{piece}\\fR" if index % 2 else piece for index, piece in enumerate(pieces))


def _inline(line: str) -> str:
    return line.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")


def _quoted(word: str) -> str:
    return '"' + _inline(word).replace('"', "\\(dq") + '"'
