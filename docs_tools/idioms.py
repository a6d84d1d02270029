"""Find idioms that readers of this project had to decode: `python -m docs_tools.idioms`, part of `make lint`.

It reads the prose of the Markdown pages, the docstrings, comments and strings of the packages, and the comments of
Lua scripts. To add an idiom, add an entry to IDIOMS, with what to write instead and why, and a sentence to
`tests/unit/test_idioms.py`. With `--all` it also reports the files on the list of exemptions.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]

PAGES = ("*.md", "docs/**/*.md", "benchmarks/*.md", "chaos/*.md", "examples/**/*.md", "tests/**/*.md")
SOURCES = (
    "checkpointing/**/*.py",
    "worker/**/*.py",
    "producer/**/*.py",
    "docs_tools/**/*.py",
    "chaos/**/*.py",
    "examples/**/*.py",
    "leafmark_celery.py",
)
SCRIPTS = ("**/scripts/**/*.lua",)
NOT_OURS = ("docs/seed/", "docs_tools/idioms.py")
"""What a user wrote, and this list."""

EXEMPT = Path(__file__).with_name("idioms_exempt.txt")
"""Files that still have idioms, one per line. The list may only get shorter: a clean file on it is reported."""


@dataclass(frozen=True, slots=True)
class Idiom:
    """A phrase to avoid.

    Attributes:
        pattern: a regular expression; case is ignored.
        instead: what to write.
        reason: why a reader is better served.
    """

    pattern: str
    instead: str
    reason: str


_EACH = "(?:stage|page|worker|metric|setting|alert|machine|book|scan|call|core|model|span|event)"
_COUNTED = "(?:amount|bytes|calls|characters|headings|memory|pages|pixels|seconds|time|tokens)"

IDIOMS = (
    Idiom(r"nobody|somebody|whoever|whomever", "the worker, the user, another process", "names no actor"),
    Idiom(r"he|him|his|himself", "it, its, they", "a program or a reader is not a he"),
    Idiom(r"likewise|as above", "the words that are meant", "the reader has to go back and search for them"),
    Idiom(
        r"(?:it|this|that|which|what) (?:is|was|are|were) no (?!longer|more|less|better|worse|different|use)\w+",
        "is not a",
        "reads as a translation",
    ),
    Idiom(
        rf"(?<!the )most that|(?:most|least) {_COUNTED} that",
        "maximum, minimum, limit",
        "the usual word is shorter",
    ),
    Idiom(r"at the (?:most|least)(?=[,.;:)]|$)", "at most, at least", "the usual phrase is shorter"),
    Idiom(r"mend(?:s|ed|ing)?", "repair, fix, correct", "the ordinary verb"),
    Idiom(r"insist(?:s|ed|ing)?", "check, require, refuse", "a program checks"),
    Idiom(
        r"(?:is|are|was|were|be|been|being) told(?! apart)|tells? of|told of",
        "report, print, pass",
        "a program reports",
    ),
    Idiom(r"be said|as said", "describe, name, report, repeat", "a command is run, and an error is reported"),
    Idiom(r"sa(?:y|ys|id) (?:it |that )?(?:again|once more)", "repeat the command", "a command is run, not said"),
    Idiom(r"looks? whether", "check whether", "not an English construction"),
    Idiom(r"owes?|owed", "remains, still has to", "nothing here has debts"),
    Idiom(r"anew", "again, from the start", "archaic"),
    Idiom(r"of ours", "Leafmark's", "name the owner"),
    Idiom(
        r"(?:is|are|was|were|be) passed over|pass(?:es)? over (?:a|fields|lines|stages|pages)",
        "skip, ignore",
        "the ordinary verb",
    ),
    Idiom(
        r"go(?:es)? before (?:the |all |a )?(?:settings?|environment|file|default|profile|these|it on)",
        "override, take precedence over",
        "the usual term for settings",
    ),
    Idiom(rf"(?:a|one) (?:row|line|file|folder|record|span|object) an? {_EACH}", "per", "hard to parse"),
    Idiom(
        r"stewards?|healers?|workshop", "reconciler, recovery, deployment", "one word for one thing: the glossary"
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """An idiom in a file."""

    path: str
    line: int
    words: str
    idiom: Idiom

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.words!r}: write {self.idiom.instead} ({self.idiom.reason})"


_COMPILED = tuple(
    (re.compile(rf"\b(?:{idiom.pattern})(?!\w)", re.IGNORECASE | re.MULTILINE), idiom) for idiom in IDIOMS
)
_INLINE_CODE = re.compile(r"(`+)(?:(?!\1).)+\1")


def idioms_in(prose: str) -> Iterator[tuple[int, str, Idiom]]:
    """Yield each idiom in a text, with the number of its line from 0 and its words. Inline code does not count."""
    text = _INLINE_CODE.sub(lambda code: "`" * len(code[0]), prose)
    for pattern, idiom in _COMPILED:
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start()), " ".join(found[0].split()), idiom


def prose_of_page(markdown: str) -> Iterator[tuple[int, str]]:
    """Yield the prose of a Markdown page with the line that it begins on: everything outside of fenced code."""
    kept, fence = [], ""
    for line in markdown.splitlines():
        mark = line.strip()
        if fence or mark.startswith(("```", "~~~")):
            fence = "" if fence and mark.startswith(fence) else fence or mark[:3]
            kept.append("")
        else:
            kept.append(line)
    yield 1, "\n".join(kept)


def prose_of_source(source: str) -> Iterator[tuple[int, str]]:
    """Yield each string, docstring and comment of a Python module with the line that it begins on."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def prose_of_script(source: str) -> Iterator[tuple[int, str]]:
    """Yield each comment of a Lua script with its line."""
    for number, line in enumerate(source.splitlines(), start=1):
        _, dashes, comment = line.partition("--")
        if dashes:
            yield number, comment


def findings(project: Path = PROJECT) -> list[Finding]:
    """Return the idioms in all pages and sources of a project, in order of their files and lines."""
    found = set()
    for patterns, prose in ((PAGES, prose_of_page), (SOURCES, prose_of_source), (SCRIPTS, prose_of_script)):
        for path in {path for pattern in patterns for path in project.glob(pattern) if ".venv" not in path.parts}:
            name = path.relative_to(project).as_posix()
            if name.startswith(NOT_OURS):
                continue
            for first, text in prose(path.read_text(encoding="utf-8")):
                found |= {Finding(name, first + line, words, idiom) for line, words, idiom in idioms_in(text)}
    return sorted(found, key=lambda each: (each.path, each.line, each.words))


def exemptions(file: Path = EXEMPT) -> list[str]:
    """Return the paths of the files that may have idioms for now."""
    return file.read_text(encoding="utf-8").split()


def main(arguments: Sequence[str]) -> int:
    """Print what has to be corrected; return the exit code."""
    found = findings()
    exempt = [] if "--all" in arguments else exemptions()
    lines = [str(each) for each in found if each.path not in exempt]
    clean = sorted(set(exempt) - {each.path for each in found})
    lines += [f"{EXEMPT.name}: {path} has no idiom: remove it from the list" for path in clean]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
