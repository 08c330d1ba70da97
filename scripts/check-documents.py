#!/usr/bin/env python3
"""Checks that what the documents name exists: links between them and their headings, and paths of files.

A path is checked when it stands in backticks and begins with a folder or file of this repository. Links to other
hosts are not followed.
"""

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

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def anchors(text):
    """The anchors that GitHub makes of the headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        found.add(words.replace(" ", "-"))
    return found


def without_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def exists(path):
    path = path.rstrip("/")
    if any(sign in path for sign in "*{"):
        pattern = re.escape(path).replace(r"\*", "[^/]*")
        pattern = re.sub(r"\\\{([^}]*)\\\}", lambda m: "(" + m.group(1).replace(",", "|").replace("\\", "") + ")", pattern)
        return any(re.fullmatch(pattern, name) for name in FILES | FOLDERS)
    return path in FILES or path in FOLDERS


def problems(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    base = Path(document).parent
    for target in LINK.findall(without_blocks(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = document if not path else str((ROOT / base / path).resolve().relative_to(ROOT))
        if not exists(linked):
            yield f"link to {target}: there is no {linked}"
        elif anchor and linked.endswith(".md") and anchor not in anchors((ROOT / linked).read_text(encoding="utf-8")):
            yield f"link to {target}: {linked} has no such heading"
    for code in CODE.findall(without_blocks(text)):
        path = re.sub(r":\d+$", "", code.split(" ")[0])
        top = path.split("/")[0]
        if "/" in path and top in TOPS and not exists(path) and "<" not in path:
            yield f"`{code}`: there is no {path}"


def main():
    failed = False
    for document in sorted(path for path in FILES if path.endswith(".md")):
        for problem in problems(document):
            print(f"{document}: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
