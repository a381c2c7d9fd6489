"""The size of the program in figures: python tools/count_code.py [COMMIT …]

One column for each commit and one for the working tree. Lines count everything; code is what is left without blank lines,
comments and docstrings. Infrastructure is what is neither the game, the nets, the data nor the metrics: configuration, runs,
sweeps, comparison, commands (up to commit 1de463e: `run/`, `cli.py`, `callbacks.py` and `metrics/callback.py`).
"""

import ast
import io
import re
import subprocess
import sys
import tarfile
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
RESEARCH = (
    "functional",
    "nets",
    "gan",
    "style",
    "vae",
    "data",
    "metrics",
    "experiment",
    "types",
    "errors",
    "util",
    "__init__",
)
"""Packages and modules that are no infrastructure."""

WORDS = re.compile(r"(?<![.\w])(told|tells?|says?|said)\b", re.IGNORECASE)  # .tell is Optuna's


def main(commits: list[str]) -> None:
    columns = {}
    for commit in commits:
        with TemporaryDirectory() as scratch:
            archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(scratch, filter="data")
            columns[commit] = figures(Path(scratch))
    columns["now"] = figures(ROOT)
    rows = list(dict.fromkeys(name for column in columns.values() for name in column))
    width = max(map(len, rows))
    print(" " * width, *(f"{name[:10]:>10}" for name in columns))
    for row in rows:
        print(row.ljust(width), *(f"{column.get(row, '-'):>10}" for column in columns.values()))


def figures(root: Path) -> dict[str, int]:
    """Name of a figure -> its value for the checkout at `root`."""
    package = root / "src" / "seesaw"
    sources = sorted(package.rglob("*.py"))
    lines, code = Counter[str](), Counter[str]()
    for path in sources:
        part = path.relative_to(package).with_suffix("").parts[0]
        if path == package / "metrics" / "callback.py":
            part = "training"
        lines[part] += path.read_text(encoding="utf-8").count("\n")
        code[part] += code_lines(path.read_text(encoding="utf-8"))
    found = {f"lines of {part}": count for part, count in sorted(lines.items()) if count}
    found["lines"], found["code"] = lines.total(), code.total()
    found["lines of infrastructure"] = sum(n for part, n in lines.items() if part not in RESEARCH)
    found["code of infrastructure"] = sum(n for part, n in code.items() if part not in RESEARCH)
    texts = [path.read_text(encoding="utf-8") for path in sources]
    pages = [path.read_text(encoding="utf-8") for path in (root / "README.md", *sorted((root / "docs").glob("*.md")))]
    found["type: ignore"] = sum(text.count("type: ignore") for text in texts)
    found["told, tell, says, said in src"] = sum(len(WORDS.findall(text)) for text in texts)
    found["told, tell, says, said in pages"] = sum(len(WORDS.findall(text)) for text in pages)
    trees = [ast.parse(text) for text in texts]
    found["places that write and rename"] = sum(map(renames, trees))
    found["methods of GAN"], found["attributes of GAN"] = members(package / "gan" / "module.py", "GAN")
    found["longest file"] = max(text.count("\n") for text in texts)
    found["longest function"] = max(n for tree in trees for n in functions(tree))
    found["lines of tests"] = sum(path.read_text(encoding="utf-8").count("\n") for path in (root / "tests").rglob("*.py"))
    return found


def code_lines(text: str) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    kept: set[int] = set()
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            kept |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            kept -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(kept)


def renames(tree: ast.AST) -> int:
    """Calls of os.replace, os.rename and pathlib's replace and rename, which take one argument where str.replace takes two."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return sum(
        call.func.attr in ("replace", "rename")
        and (ast.unparse(call.func.value) == "os" or (len(call.args) == 1 and not call.keywords))
        for call in calls
        if isinstance(call.func, ast.Attribute)
    )


def members(path: Path, name: str) -> tuple[int, int]:
    """Methods of a class, and attributes that it assigns to self."""
    classes = [
        node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef) and node.name == name
    ]
    methods = [node for cls in classes for node in cls.body if isinstance(node, ast.FunctionDef)]
    stored = (node for method in methods for node in ast.walk(method) if isinstance(node, ast.Attribute))
    owned = {n.attr for n in stored if isinstance(n.ctx, ast.Store) and ast.unparse(n.value) == "self"}
    return len(methods), len(owned)


def functions(tree: ast.AST) -> Iterator[int]:
    """The length of each function in lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            yield node.end_lineno - node.lineno + 1


if __name__ == "__main__":
    main(sys.argv[1:])
