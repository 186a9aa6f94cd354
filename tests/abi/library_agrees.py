#!/usr/bin/env python3
"""The library is what the header says: library_agrees.py LIBRARY BASELINE

Compares the library's own debug information (of the Rust compiler) with the baseline (of a C compiler reading the
header): the same functions, each with as many parameters of the same sizes and a result of the same size, and the same
structs, with the same fields at the same places. Exit code 77 if abidw is missing or the library has no debug
information.
"""
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

STRUCTS = ("TimUserStatus", "TimResult", "TimErrorDesc")


class Abi:
    """What abidw says of one binary."""

    def __init__(self, xml):
        self.types = {}
        self.functions = {}
        self.structs = {}
        for element in ElementTree.fromstring(xml).iter():
            if "id" in element.attrib and element.tag != "function-type":
                known = self.types.get(element.attrib["id"])
                # A declaration may come before the definition, which has the size.
                if known is None or "size-in-bits" not in known.attrib:
                    self.types[element.attrib["id"]] = element
            if element.tag == "function-decl" and "elf-symbol-id" in element.attrib:
                self.functions[element.attrib["elf-symbol-id"]] = element
            if element.tag == "class-decl" and element.attrib.get("name") in STRUCTS and "size-in-bits" in element.attrib:
                self.structs[element.attrib["name"]] = element

    def size(self, type_id):
        """Bits of a type, behind its typedefs and qualifiers."""
        element = self.types[type_id]
        while element.tag in ("typedef-decl", "qualified-type-def"):
            element = self.types[element.attrib["type-id"]]
        if element.tag == "pointer-type-def":
            return 64
        return int(element.attrib.get("size-in-bits", 0))

    def signature(self, name):
        """Sizes of the parameters and of the result."""
        function = self.functions[name]
        parameters = [self.size(parameter.attrib["type-id"]) for parameter in function.findall("parameter")]
        return parameters, self.size(function.find("return").attrib["type-id"])

    def fields(self, name):
        """Name, place and size of each field, and the size of the struct."""
        struct = self.structs[name]
        members = [
            (
                member.find("var-decl").attrib["name"],
                int(member.attrib["layout-offset-in-bits"]),
                self.size(member.find("var-decl").attrib["type-id"]),
            )
            for member in struct.findall("data-member")
        ]
        # Rust writes fields in the order of its declaration, C in that of memory: the same thing once sorted.
        return sorted(members, key=lambda member: member[1]), int(struct.attrib["size-in-bits"])


def main(library, baseline):
    if shutil.which("abidw") is None:
        print("skipped: there is no abidw (Debian: abigail-tools)")
        return 77
    xml = subprocess.run(["abidw", "--no-show-locs", library], capture_output=True, text=True, check=True).stdout
    ours = Abi(xml)
    with open(baseline, encoding="utf-8") as file:
        header = Abi(file.read())
    if not ours.functions:
        print("skipped: the library has no debug information (a release build)")
        return 77
    assert len(header.functions) > 30 and set(header.structs) == set(STRUCTS), "the baseline is not one"

    wrong = []
    if set(ours.functions) != set(header.functions):
        wrong.append(f"functions: {sorted(set(ours.functions) ^ set(header.functions))}")
    for name in sorted(set(ours.functions) & set(header.functions)):
        if ours.signature(name) != header.signature(name):
            wrong.append(f"{name}: the library has {ours.signature(name)}, the header {header.signature(name)}")
    for name in STRUCTS:
        if name not in ours.structs:
            wrong.append(f"{name}: the library does not know it")
        elif ours.fields(name) != header.fields(name):
            wrong.append(f"{name}: the library has {ours.fields(name)}, the header {header.fields(name)}")
    print("\n".join(wrong) or f"{len(header.functions)} functions and {len(STRUCTS)} structs agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
