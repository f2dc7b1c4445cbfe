"""Compares the table in docs/conformance.md with what the SDKs gave, or writes it anew.

    conformance.py CELLS LANGUAGE...

CELLS holds a line for each cell that a case told. Only the columns of the languages that ran are looked
at. With PACELINE_BLESS=1 the table is written.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "conformance.md"
BEGIN, END = "<!-- written by tests/sdk/run: begin -->\n", "<!-- written by tests/sdk/run: end -->"
SDKS = ("openai", "anthropic")
LANGUAGES = ("python", "node")
PROVIDERS = ("openai", "anthropic")
NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "python": "Python", "node": "Node"}
ABSENT = "–"
COLUMNS = [f"{s}/{l}/{p}" for s in SDKS for l in LANGUAGES for p in PROVIDERS]

Table = dict[tuple[str, str], str]


def main(path: str, languages: list[str]) -> int:
    rows = json.loads((HERE / "conformance.json").read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    old, after = rest.split(END)
    cells = {key: cell for key, cell in read(old, rows).items() if key[1].split("/")[1] not in languages}
    missing = []
    told = told_cells(path)
    for row in rows:
        for column in (c for c in COLUMNS if c.split("/")[1] in languages):
            key = (row["row"], column)
            if row.get("sdk", column.split("/")[0]) != column.split("/")[0]:
                cells[key] = ABSENT
            elif (cell := told.pop(key, None)) is None:
                missing.append(f"{key[0]} of {key[1]}")
            else:
                cells[key] = cell
    for what, found in (("no case passed for", missing), ("no row for", list(told))):
        if found:
            print(f"docs/conformance.md: {what}: {', '.join(map(str, found))}", file=sys.stderr)
    if missing or told:
        return 1
    new = write(cells, rows)
    if new == old:
        return 0
    if os.environ.get("PACELINE_BLESS") == "1":
        PAGE.write_text(before + BEGIN + new + END + after, encoding="utf-8")
        return 0
    print("docs/conformance.md is out of date; write it with PACELINE_BLESS=1", file=sys.stderr)
    return 1


def told_cells(path: str) -> Table:
    """What the cases told."""
    lines = Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
    cells = map(json.loads, lines)
    return {(cell["row"], cell["column"]): cell["cell"] for cell in cells}


def read(table: str, rows: list[dict[str, str]]) -> Table:
    """The cells of a table that was written before."""
    keys = {row["title"]: row["row"] for row in rows}
    cells: Table = {}
    for line in table.splitlines()[2:]:
        title, *values = (cell.strip() for cell in line.strip("|").split("|"))
        if title in keys:
            cells |= {(keys[title], column): cell for column, cell in zip(COLUMNS, values)}
    return cells


def write(cells: Table, rows: list[dict[str, str]]) -> str:
    """The table as text."""
    titles = []
    for column in COLUMNS:
        sdk, language, provider = (NAMES[part] for part in column.split("/"))
        titles.append(f"{sdk} SDK, {language}, to {provider}")
    lines = [["feature", *titles], ["---"] * (len(COLUMNS) + 1)]
    for row in rows:
        values = (cells.get((row["row"], column), "") for column in COLUMNS)
        lines.append([row["title"], *values])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
