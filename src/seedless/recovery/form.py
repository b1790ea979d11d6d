"""A blank form for a share, to be printed and filled in by hand.

The words themselves go to no printer: print queues are disks, and printers have memory.
"""

from __future__ import annotations

_COLUMNS = 3
_STYLE = """
body { font: 12pt/1.4 sans-serif; margin: 12mm; }
section { break-after: page; }
table { border-collapse: collapse; width: 100%; margin: 6mm 0; }
td { border: 1px solid #000; height: 10mm; width: 33%; vertical-align: top; padding: 1mm 2mm; }
td small { color: #555; }
p { margin: 2mm 0; }
"""
_LINES = ("Holder", "Operator", "Date and place", "Bag number", "Signature")
_RULES = (
    "By hand, with a pen, in capital letters. The first four letters of a word identify it.",
    "No camera, no copy, no file. Whoever brings enough shares together is the operator.",
)


def text_form(share: int, count: int, threshold: int, words: int) -> str:
    """Return the form of the share with this number, of *count* with *words* words, as plain text."""
    cells = [f"{place:2}. ____________________" for place in range(1, words + 1)]
    rows = -(-words // _COLUMNS)
    lines = ["   ".join(cells[row::rows]) for row in range(rows)]
    fields = [f"{name + ':':<16}{'_' * 40}" for name in _LINES]
    head = f"SHARE {share} of {count}; {threshold} of them restore the keys"
    return "\n\n".join([head, *lines, *fields, "\n".join(_RULES)]) + "\n"


def html_forms(count: int, threshold: int, words: int) -> str:
    """Return a page of HTML with a form for each share, one a sheet."""
    sheets = "\n".join(_sheet(share, count, threshold, words) for share in range(1, count + 1))
    head = f'<meta charset="utf-8"><title>Forms for shares</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{sheets}\n</body></html>\n'


def _sheet(share: int, count: int, threshold: int, words: int) -> str:
    rows = -(-words // _COLUMNS)
    cells = [f"<td><small>{place}</small></td>" for place in range(1, words + 1)]
    table = "\n".join(f"<tr>{''.join(cells[row::rows])}</tr>" for row in range(rows))
    fields = "".join(f"<p>{name}: {'_' * 40}</p>" for name in _LINES)
    rules = "".join(f"<p>{rule}</p>" for rule in _RULES)
    head = f"<h1>Share {share} of {count}</h1><p>{threshold} of them restore the keys.</p>"
    return f"<section>{head}<table>{table}</table>{fields}{rules}</section>"
