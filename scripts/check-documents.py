#!/usr/bin/env python3
"""Checks that what the documents name exists: links between them and their headings, paths of files, and tests.

A path is checked when it stands in backticks and begins with a folder or file of this repository, and in the code
walk of ARCHITECTURE.md also where it leaves out the folder that the walk goes through. Links to other hosts are not
followed, and comments are no part of a document. A table with a column "test" names tests there. The examples in here
are tested with each run.
"""

import doctest
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT, capture_output=True, text=True, check=True,
).stdout.split("\n")
FILES = {path for path in TRACKED if path and (ROOT / path).exists()}
FOLDERS = {str(parent) for path in FILES for parent in Path(path).parents}
TOPS = {path.split("/")[0] for path in FILES}

# Documents in which paths may leave out a folder, and that folder.
WALKS = {"ARCHITECTURE.md": "crates/streams/src/"}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def anchors(text):
    """The anchors that GitHub makes of the headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        found.add(words.replace(" ", "-"))
    return found


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def without_comments(text):
    """
    >>> without_comments("a <!-- `scripts/none.sh`\\n[x](none.md) --> b")
    'a  b'
    """
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def without_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def spellings(path):
    """
    >>> sorted(spellings("client/{writer,replies}.rs"))
    ['client/replies.rs', 'client/writer.rs']
    >>> spellings("wire/")
    {'wire'}
    """
    choice = re.search(r"\{([^}]*)\}", path)
    if not choice:
        return {path.rstrip("/")}
    before, after = path[: choice.start()], path[choice.end() :]
    return {spelling for part in choice.group(1).split(",") for spelling in spellings(before + part + after)}


def exists(path):
    """Whether each file or folder that is meant exists; `*` stands for any name.

    >>> exists("scripts/{check,test}.sh"), exists("scripts/{check,none}.sh"), exists("crates/*/src/lib.rs")
    (True, False, True)
    """
    def is_there(spelling):
        pattern = re.escape(spelling).replace(r"\*", "[^/]*")
        return any(re.fullmatch(pattern, name) for name in FILES | FOLDERS)

    return all(spelling in FILES or spelling in FOLDERS or is_there(spelling) for spelling in spellings(path))


def missing(code, walk=""):
    """The path in this code that must exist and does not; `walk` is the folder that it may leave out.

    >>> missing("scripts/check.sh --help"), missing("scripts/none.sh"), missing("POST /health"), missing("a/<b>")
    (None, 'scripts/none.sh', None, None)
    >>> missing("worker/none.rs"), missing("worker/none.rs", "crates/streams/src/")
    (None, 'crates/streams/src/worker/none.rs')
    >>> [missing(code, "crates/streams/src/") for code in ("worker/fetch.rs", "wire/", "none.rs", "crates/ingress")]
    [None, None, 'crates/streams/src/none.rs', None]
    """
    path = re.sub(r":\d+$", "", code.split(" ")[0])
    if "<" in path or path.startswith("/"):
        return None
    if "/" in path and path.split("/")[0] in TOPS:
        return None if exists(path) else path
    if walk and (path.endswith(".rs") or "/" in path) and not exists(walk + path):
        return walk + path
    return None


def tests_in(source):
    """The names of the tests in this Rust source, those of macros of the file's own included.

    >>> sorted(tests_in("#[test]\\nfn one() {} #[tokio::test(start_paused = true)]\\nasync fn two() {} fn three() {}"))
    ['one', 'two']
    """
    attributes = r"#\[(?:tokio::)?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*"
    return set(re.findall(attributes + r"(?:async )?fn (\w+)", source))


def tests_named(text):
    """The tests that stand in a column "test".

    >>> table = "| a | test |\\n|---|---|\\n| `b` | `c`, and `d` in `e/f.rs` |\\n"
    >>> list(tests_named(table + "\\n| a | b |\\n| `x` | `y` |"))
    ['c', 'd']
    """
    column = None
    for line in text.split("\n"):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if not line.startswith("|"):
            column = None
        elif "test" in cells:
            column = cells.index("test")
        elif column is not None and column < len(cells):
            yield from (code for code in CODE.findall(cells[column]) if "/" not in code)


def problems(document):
    text = without_comments(read(document))
    base = Path(document).parent
    for target in LINK.findall(without_blocks(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = document if not path else str((ROOT / base / path).resolve().relative_to(ROOT))
        if not exists(linked):
            yield f"link to {target}: there is no {linked}"
        elif anchor and linked.endswith(".md") and anchor not in anchors(without_comments(read(linked))):
            yield f"link to {target}: {linked} has no such heading"
    for code in CODE.findall(without_blocks(text)):
        path = missing(code, WALKS.get(document, ""))
        if path:
            yield f"`{code}`: there is no {path}"
    for test in tests_named(without_blocks(text)):
        if test not in TESTS:
            yield f"`{test}`: there is no such test"


TESTS = {test for path in FILES if path.endswith(".rs") for test in tests_in(read(path))}


def main():
    failed = doctest.testmod().failed > 0
    for document in sorted(path for path in FILES if path.endswith(".md")):
        for problem in problems(document):
            print(f"{document}: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
