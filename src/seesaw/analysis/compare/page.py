"""compare.html: one file that needs nothing else, neither a network nor scripts."""

import base64
import io
import os
import time
from html import escape
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from seesaw.analysis.compare import plots, text
from seesaw.analysis.compare.groups import NOT_RANKED, Comparison, Group, Table
from seesaw.analysis.compare.reading import Run

GRIDS = 12
"""Groups of a table whose samples are shown, best first."""
_SIDE = 360  # pixels of a grid, at most

_CSS = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #5c5c5c; --line: #dcdcdc; --paper: #fff; --band: #f5f5f3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e6; --soft: #a9a9a6; --line: #3d3d3d; --paper: #161616; --band: #202020; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 86rem; font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p { margin: .3rem 0; } .soft, caption, figcaption, summary { color: var(--soft); font-size: .87rem; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; white-space: nowrap; }
th:first-child, td:first-child, .left th, .left td { text-align: left; } tbody tr:hover { background: var(--band); }
td.figure { white-space: nowrap; } tbody th { font-weight: 600; min-width: 9rem; }
.name, tbody th { text-align: left; } tbody th:has(.swatch) { padding-left: 2rem; text-indent: -1.3em; }
.swatch { display: inline-block; text-indent: 0; width: .8em; height: .8em; border-radius: 2px; margin-right: .5em; }
.tiles { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 29rem), 1fr)); }
.plots { max-width: 70rem; } .grids { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figure img { width: 100%; max-width: 360px; height: auto; display: block; margin-bottom: .3rem; }
svg { width: 100%; height: auto; display: block; stroke-linejoin: round; font-family: inherit; }
code { font: .87em ui-monospace, "DejaVu Sans Mono", monospace; } .bad { border-left: 3px solid #d55e00; padding-left: .7rem; }
li { margin: .2rem 0; } details { margin: .6rem 0; } summary { cursor: pointer; }
"""


def page(comparison: Comparison, out: Path) -> str:
    """The whole document; links to run folders are relative to `out`."""
    many = "1 run" if len(comparison.runs) == 1 else f"{len(comparison.runs)} runs compared"
    title = f"{comparison.parent.name}: {many}"
    parts = [
        f"<h1>{escape(text.plain(title))}</h1>",
        f'<p class="soft">seesaw compare, {time.strftime("%Y-%m-%d %H:%M %Z")}</p>',
        *unfinished(comparison),
        "<h2>What differs</h2>",
        *differing(comparison),
    ]
    for table in comparison.tables:
        parts += section(table)
    parts += ["<h2>Runs</h2>", *runs(comparison, out)]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><style>{_CSS}</style>'
    head += f"<title>{escape(text.plain(title))}</title>"
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def unfinished(comparison: Comparison) -> list[str]:
    found = text.unfinished(comparison)
    if not found:
        return []
    count = sum(map(len, found.values()))
    parts = [f"<p><b>{'1 run has' if count == 1 else f'{count} runs have'} not finished.</b></p>"]
    for outcome, lines in found.items():
        parts.append(f"<p>{outcome}:</p><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>")
    return [f'<div class="bad">{"".join(parts)}</div>']


def differing(comparison: Comparison) -> list[str]:
    """A table of the keys that name the groups, a row for each group; the other keys folded away."""
    groups = [group for table in comparison.tables for group in table.groups]
    same = [f"<p>All have <code>{escape(text.plain(comparison.same))}</code>.</p>"] if comparison.same else []
    if not comparison.keys:
        return [*same, f"<p>Nothing{' but seed and place' * (len(comparison.runs) > 1)}.</p>"]
    rest = [key for key in comparison.keys if key not in comparison.distinguishing]
    rows = [[key.values[group.place] for key in comparison.distinguishing] for group in groups]
    head = [key.path for key in comparison.distinguishing]
    parts = [*same, grid(head, list(map(list, dict.fromkeys(map(tuple, rows)))), "left")]
    if rest:
        what = "one more key differs" if len(rest) == 1 else f"{len(rest)} more keys differ"
        body = [[group.name, *(key.values[group.place] for key in rest)] for group in groups]
        table = grid(["group", *(key.path for key in rest)], body, "left")
        parts.append(f"<details><summary>{what} together with these</summary>{table}</details>")
    return parts


def grid(head: list[str], body: list[list[str]], kind: str = "", marks: list[str] | None = None) -> str:
    """An HTML table. The cell that names a row is a heading; `marks`: HTML that goes before it."""
    at = head.index("group") if "group" in head else 0
    rows = []
    for i, row in enumerate(body):
        before = marks[i] if marks else ""
        cells = [f"<td class=figure>{escape(text.plain(c))}</td>" for c in row]
        cells[at] = f"<th scope=row>{before}{escape(text.plain(row[at]))}</th>"
        rows.append(f"<tr>{''.join(cells)}</tr>")
    top = "".join(f"<th{' class=name' * (i == at)}>{escape(text.plain(h))}</th>" for i, h in enumerate(head))
    return f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def section(table: Table) -> list[str]:
    """A table of one protocol, its curves and samples."""
    marks = [f'<span class=swatch style="background:{plots.colour(i)}"></span>' for i in range(len(table.groups))]
    parts = [f"<h2>{escape(text.plain(text.heading(table)))}</h2>"]
    if table.protocol != NOT_RANKED:
        parts.append(f'<p class="soft">Protocol: {escape(text.plain(table.protocol))}</p>')
    parts.append(grid(text.headers(table), text.rows(table), marks=marks))
    notes = [text.legend(table), text.lengths(table)]
    parts.append(f'<p class="soft">{escape(". ".join(sentence(note) for note in notes if note))}.</p>')
    parts.append(f'<div class="tiles plots">{"".join(figure(panel) for panel in plots.panels(table))}</div>')
    shown = [tile for group in table.groups[:GRIDS] if (tile := samples(group))]
    if shown:
        parts.append("<h3>Samples of the run in the middle of each group, at its end</h3>")
        parts.append(f'<div class="tiles grids">{"".join(shown)}</div>')
    return parts


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def figure(panel: plots.Panel) -> str:
    note = f"<figcaption>{escape(panel.note)}</figcaption>" if panel.note else ""
    return f"<figure><h3>{escape(text.plain(panel.title))}</h3>{plots.svg(panel)}{note}</figure>"


def samples(group: Group) -> str:
    """The last grid of the group's median_run run; empty where there is none that can be read."""
    run = group.median_run
    newest = max((f for f in (run.folder / "samples").glob("*.png") if f.stem.isdigit()), default=None)
    source = None if newest is None else small(newest)
    if newest is None or source is None:
        return ""
    name = escape(text.plain(group.name))
    which = f"seed {run.seed}, {int(newest.stem)} kimg"
    caption = f"<figcaption><b>{name}</b><br>{escape(text.plain(which))}</figcaption>"
    return f'<figure><img src="{source}" alt="samples of {name}">{caption}</figure>'


def small(path: Path) -> str | None:
    """A picture as a data URL, at most 360 pixels wide and high, as JPEG: about 30 kB. None where it is none."""
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def runs(comparison: Comparison, out: Path) -> list[str]:
    """Every run, with a link to its folder."""
    body = []
    of = {id(run): group for table in comparison.tables for group in table.groups for run in group.runs}
    for run in comparison.runs:
        group = of.get(id(run))
        has = group is not None and (group.points(run) or run in group.counted)
        row = [
            group.name if group else text.plain(str(run.status.get("name", "-"))),
            "-" if run.seed is None else str(run.seed),
            run.outcome,
            f"{run.kimg:.6g}",
            text.figure(group.best_of(run)[1]) if group and has else "-",
            text.figure(group.last_of(run)[1]) if group and has else "-",
        ]
        link = f'<a href="{escape(relative(run, out))}/">{escape(text.plain(run.name))}</a>'
        body.append(f"<tr><td>{link}</td>{''.join(f'<td>{escape(text.plain(c))}</td>' for c in row)}</tr>")
    head = "".join(f"<th>{h}</th>" for h in ("folder", "group", "seed", "state", "kimg", "best", "last"))
    table = f'<table class="left"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    return [f'<details><summary>all {len(body)}</summary><div class="scroll">{table}</div></details>']


def relative(run: Run, out: Path) -> str:
    """The run folder as a link from the page, also from another folder than its parent."""
    return quote(os.path.relpath(run.folder.resolve(), out.resolve()))
