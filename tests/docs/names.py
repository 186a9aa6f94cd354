#!/usr/bin/env python3
"""Whether each name in the table of docs/NAMES.md is defined where it says:  names.py ROOT"""

import re
import sys
from pathlib import Path

#: By column: the files that define its names, and what stands before one there.
COLUMNS = {
    "C": (["include/tim_presence.h"], r"^[a-z].* \**"),
    "C++": (["include/tim_presence.hpp"], r"^(class |  [A-Za-z][\w:<>, *&]* )"),
    "Python": (["bindings/python/src/tim_presence/" + name for name in ("client.py", "sync.py", "_base.py", "server.py")], r"^ *(class|(async )?def) "),
    "Kotlin": (["bindings/kotlin/src/main/kotlin/tim/presence"], r"^ *(public|override)\b.*\b(fun|val|class) "),
    "Swift": (["bindings/swift/Sources/TimPresence"], r"^ *public .*(func|var|class) "),
    "Node": (["bindings/node/src"], r"^ *(export class |async |get |)"),
}


def lines_of(root: Path, places: list[str]) -> list[str]:
    files: list[Path] = []
    for place in places:
        path = root / place
        files += sorted(path.iterdir()) if path.is_dir() else [path]
    return [line for file in files if file.is_file() for line in file.read_text(encoding="utf-8").splitlines()]


def main(root: Path) -> int:
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in (root / "docs/NAMES.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and not line.startswith("|--")
    ]
    head, *table = rows
    wrong = [] if head == list(COLUMNS) and len(table) > 15 else [f"the table has the columns {head} and {len(table)} rows"]
    for index, (column, (places, before)) in enumerate(COLUMNS.items()):
        lines = lines_of(root, places)
        for row in table:
            for name in re.findall(r"`(\w+)`", row[index]):
                defined = re.compile(before + re.escape(name) + r"\b")
                if not any(defined.match(line) for line in lines):
                    wrong.append(f"{column} has no {name}")
    for text in wrong:
        print(f"docs/NAMES.md: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
