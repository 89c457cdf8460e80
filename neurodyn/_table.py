"""Tables that show themselves in a terminal and in a notebook."""

import html
from collections.abc import Sequence


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in columns as wide as they have to be."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


def as_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as HTML."""

    def cells(tag, line):
        return "".join(f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>" for cell in line)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', header)}</tr></thead><tbody>{body}</tbody></table>"
