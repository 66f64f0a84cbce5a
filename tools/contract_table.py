"""Prints which behaviour of the contract was seen on which store, in which colour.

Usage: python -m pytest tests/backends --junitxml=report.xml; python tools/contract_table.py report.xml

A cell is "sa" where it was seen in sync and in async code, " x" where the behaviour has no colour; "." stands where the
store cannot have it (the reasons are counted below), "!" where it failed. The number is that of the contract's clause.
"""

import re
import sys
from collections import Counter, defaultdict
from typing import Final
from xml.etree import ElementTree

from cachelayer.testing.contract import BackendContract

_COLOURS: Final = {"sync": "s", "async": "a"}
_NONE: Final = "none"
_CLAUSES: Final = re.compile(r"\(([0-9, ]+)\)\.\Z")
#: Behaviour, store and colour -> how its cases ended: "passed", "failed" or why they were skipped.
Seen = dict[tuple[str, str, str], list[str]]


def clauses_of(name: str) -> str:
    """Return the numbers that stand at the end of a behaviour's docstring."""
    text = (getattr(BackendContract, name).__doc__ or "").strip()
    found = _CLAUSES.search(text)
    return found[1] if found else ""


def read(path: str) -> Seen:
    """Return what the report tells of the contract's tests."""
    seen: Seen = defaultdict(list)
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, _, parameters = case.get("name", "").partition("[")
        store = case.get("classname", "").rpartition(".")[2]
        if store.startswith("Test") and hasattr(BackendContract, name):
            colour = re.split("[]-]", parameters)[0]
            seen[name, store, colour if colour in _COLOURS else _NONE].append(_ending(case))
    return seen


def _ending(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    return "passed" if skipped is None else skipped.get("message", "")


def cell(seen: Seen, name: str, store: str) -> str:
    """Return one cell: how a behaviour ended in each colour."""
    if (name, store, _NONE) in seen:
        return " " + _mark(seen[name, store, _NONE], "x")
    return "".join(_mark(seen.get((name, store, colour), []), sign) for colour, sign in _COLOURS.items())


def _mark(endings: list[str], sign: str) -> str:
    if "failed" in endings:
        return "!"
    if "passed" in endings:
        return sign
    return "." if endings else " "


def main(path: str) -> None:
    """Print the table of a report."""
    seen = read(path)
    names = [name for name in dir(BackendContract) if any(name == behaviour for behaviour, _, _ in seen)]
    stores = list(dict.fromkeys(store for _, store, _ in seen))
    width = max(len(name) for name in names)
    for number, store in enumerate(stores, 1):
        print(f"{number:2} {store}")
    print(" " * (width + 9), *(f"{number:2}" for number in range(1, len(stores) + 1)))
    for name in sorted(names, key=lambda name: [int(each) for each in clauses_of(name).split(",")]):
        print(f"{clauses_of(name):>8} {name:{width}}", *(cell(seen, name, store) for store in stores))
    reasons = Counter(why for endings in seen.values() for why in endings if why not in ("passed", "failed"))
    print(*(f"{count:4} cases skipped: {why}" for why, count in reasons.most_common()), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
