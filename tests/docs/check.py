#!/usr/bin/env python3
"""What the pages say of the repository is there: check.py ROOT CHECK, where CHECK is one of

links     each relative link of a page leads to a file, and to a heading in it
paths     each file or folder that a page names in `code` exists
names     each `make` target, C function and TIM_… constant that a page names exists
rules     each rule that anything cites is in docs/SEMANTICS.md; each rule there is cited by shipped code and by a test
programs  each program of README.md but those in C and C++ stands in the page of its language, whose tests run it
figures   each number of README.md's table of what was measured is in docs/PERFORMANCE.md
planted   the checks above find what is wrong with a page made for that
"""
import fnmatch
import os
import re
import subprocess
import sys

FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.M | re.S)
CODE = re.compile(r"`[^`\n]+`")
# Folders at the root; a word in `code` that begins with one of them is a path.
FOLDERS = "crates docs tests bindings include scripts benches examples_c fuzz packaging .ci"
# Rules are R1 to R10. Fuzzers' finds and recordings are data, not citations.
RULE = re.compile(r"\bR(?:10|[1-9])\.\d+\b")
DATA = (".png", ".svg", ".lock", ".json", ".bin")


def tracked(root):
    """Files of the repository, relative to its root: as git has them, or, in a tree without git, as they lie there."""
    try:
        listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
        if listed.returncode == 0:
            return sorted({name for name in listed.stdout.splitlines() if os.path.isfile(os.path.join(root, name))})
    except OSError:
        pass  # there is no git on this machine
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", "target", "build", "node_modules", ".cache")]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def anchors(text):
    """The anchors of a page's headings, as the sites that show Markdown make them."""
    made = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", FENCE.sub("", text), re.M):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        base = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        anchor, again = base, 0
        while anchor in made:
            again += 1
            anchor = f"{base}-{again}"
        made.add(anchor)
    return made


def links(pages, files):
    everything = set(files) | {folder for name in files for folder in folders_of(name)}
    for page, text in pages.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", FENCE.sub("", text))):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if target not in everything:
                yield f"{page}: the link {link} leads nowhere"
            elif anchor and anchor not in anchors(pages.get(target, "")):
                yield f"{page}: no heading of {target} is #{anchor}"


def folders_of(name):
    while name := os.path.dirname(name):
        yield name


def paths(pages, files):
    everything = set(files) | {folder for name in files for folder in folders_of(name)}
    begins = tuple(folder + "/" for folder in FOLDERS.split())
    for page, text in pages.items():
        for code in CODE.findall(FENCE.sub("", text)):
            path = code.strip("`").rstrip("/")
            if not path.startswith(begins) or not re.fullmatch(r"[\w./*<>+-]+", path):
                continue
            pattern = re.sub(r"<\w+>", "*", path)
            # Relative to the root, to the page, or, after the name of a crate, to that: crates/client `tests/tls.rs`.
            near = os.path.normpath(os.path.join(os.path.dirname(page), pattern))
            if not any(fnmatch.fnmatch(name, wanted) for name in everything for wanted in (pattern, near, "crates/*/" + pattern)):
                yield f"{page}: there is no {path}"


def names(pages, files, root):
    def read(name):
        with open(os.path.join(root, name), encoding="utf-8") as file:
            return file.read()

    targets = {word for line in re.findall(r"^([a-z][a-z -]*):", read("Makefile"), re.M) for word in line.split()}
    functions = {line.split()[0] for line in read("include/tim_symbols.txt").splitlines() if line.startswith("tim")}
    constants = set(re.findall(r"\bTIM_[A-Z0-9_]+\b", "".join(read(name) for name in files if name.startswith("include/") and name.endswith((".h", ".hpp")))))
    for page, text in pages.items():
        for target in re.findall(r"(?:^ *|`|&& |; )make ([a-z][a-z-]*)", text, re.M):
            if target not in targets:
                yield f"{page}: the Makefile has no target {target}"
        # Names of tests begin with that of a function, and an underscore follows.
        for function in re.findall(r"\btim[A-Z][A-Za-z]+\b(?!_)", "\n".join(CODE.findall(text))):
            if function not in functions:
                yield f"{page}: the header has no {function}"
        for constant in re.findall(r"\bTIM_(?:OK|ERR_\w+|STATUS_\w+|REASON_\w+|ERROR_FLAG_\w+)", text):
            # A `*` follows what ends with an underscore; TIM_ERR_NAME stands for any.
            if constant not in constants and not constant.endswith(("_", "_NAME")):
                yield f"{page}: the header has no {constant}"


def rules(contents):
    known = set(re.findall(r"^- (R\d+\.\d+) ", contents["docs/SEMANTICS.md"], re.M))
    shipped, tested = set(), set()
    for name, text in contents.items():
        for rule in RULE.findall(text):
            if rule not in known:
                yield f"{name}: docs/SEMANTICS.md has no {rule}"
        if name.endswith((".rs", ".c", ".cpp")):
            # A Rust file's own tests come last in it.
            code, _, own_tests = text.partition("\n#[cfg(test)]\nmod ")
            is_test = name.startswith("tests/") or "/tests/" in name or name.endswith("tests.rs")
            (tested if is_test else shipped).update(RULE.findall(code))
            tested.update(RULE.findall(own_tests))
    for rule in sorted(known - shipped):
        yield f"{rule}: no code says that it does this"
    for rule in sorted(known - tested):
        yield f"{rule}: no test says that it proves this"


def programs(pages):
    tested = {"python": "docs/PYTHON.md", "js": "docs/NODE.md", "kotlin": "docs/KOTLIN.md", "java": "docs/KOTLIN.md", "swift": "docs/SWIFT.md"}
    for language, page in tested.items():
        shown = re.findall(rf"^```{language}\n(.*?)^```$", pages["README.md"], re.M | re.S)
        if not shown:
            yield f"README.md has no program in {language}"
        for program in shown:
            if program not in pages[page]:
                yield f"README.md: its program in {language} is not one of {page}"


def figures(pages):
    table = re.search(r"^\| measured \|.*?\n\n", pages["README.md"], re.M | re.S)
    if not table:
        yield "README.md has no table of what was measured"
        return
    measured = set(re.findall(r"\d+(?: \d{3})*(?:\.\d+)?", pages["docs/PERFORMANCE.md"]))
    for figure in re.findall(r"\d+(?: \d{3})*(?:\.\d+)?", table.group()):
        if figure not in measured:
            yield f"README.md: {figure} is not in docs/PERFORMANCE.md"


def planted(files, root):
    page = "\n".join(["# One", "[a](nowhere.md) [b](#two)", "`docs/NOWHERE.md`", "`make nothing`", "`timNothing`", "`TIM_ERR_NOTHING`"])
    pages = {"docs/PLANTED.md": page}
    found = [*links(pages, files), *paths(pages, files), *names(pages, files, root)]
    if len(found) != 6:
        yield f"6 mistakes were planted, found were: {found}"
    found = list(rules({"docs/SEMANTICS.md": "- R1.1 x\n- R1.2 y", "a.rs": "R1.1 R1.3\n#[cfg(test)]\nmod tests {\n// R1.1\n}"}))
    first = {"README.md": "```js\na\n```\n```java\nb\n```", "docs/NODE.md": "a\n", **dict.fromkeys(["docs/PYTHON.md", "docs/KOTLIN.md", "docs/SWIFT.md"], "")}
    if len(list(programs(first))) != 4:
        yield f"4 mistakes with programs were planted, found were: {list(programs(first))}"
    first = {"README.md": "| measured | |\n|---|---|\n| a | 1.5 and 2 031 |\n\n", "docs/PERFORMANCE.md": "2 031 bytes"}
    if len(list(figures(first))) != 1:
        yield f"1 mistake with figures was planted, found were: {list(figures(first))}"
    if len(found) != 3:
        yield f"3 mistakes with rules were planted, found were: {found}"


def main():
    root, check = sys.argv[1:3]
    files = tracked(root)

    def read(name):
        with open(os.path.join(root, name), encoding="utf-8") as file:
            return file.read()

    pages = {name: read(name) for name in files if name.endswith(".md")}
    if len(pages) < 20:
        sys.exit(f"only {len(pages)} pages found in {root}")
    if check == "links":
        wrong = links(pages, files)
    elif check == "paths":
        wrong = paths(pages, files)
    elif check == "names":
        wrong = names(pages, files, root)
    elif check == "rules":
        texts = (name for name in files if name.endswith((".md", ".rs", ".c", ".cpp", ".h", ".hpp", ".proto", ".py", ".kt", ".swift", ".ts")))
        wrong = rules({name: read(name) for name in texts if not name.endswith(DATA) and not name.startswith("tests/docs/")})
    elif check == "programs":
        wrong = programs(pages)
    elif check == "figures":
        wrong = figures(pages)
    elif check == "planted":
        wrong = planted(files, root)
    else:
        sys.exit(__doc__)
    wrong = list(wrong)
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


main()
