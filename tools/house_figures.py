"""Figures of how the package is built: ``python tools/house_figures.py [--details] [--module NAME] [--source FOLDER]``.

What is counted, and how, is printed beside each figure. Everything is read with ``ast``; nothing is imported or run.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "napari_cerberus"
CHILD = "napari_cerberus.finetune.run.child"
TIFF_CALLS = {"imwrite", "TiffWriter"}
SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
Function = ast.FunctionDef | ast.AsyncFunctionDef
Trees = Mapping[str, ast.Module]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A line of the table: what, how much, how it is counted, and which they are."""

    name: str
    value: str
    counted: str
    which: tuple[str, ...] = ()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder of the package")
    parser.add_argument("--module", default=CHILD, help="module whose imports are followed")
    parser.add_argument("--details", action="store_true", help="list what was counted")
    options = parser.parse_args()
    for figure in figures(options.source, options.module):
        print(f"{figure.name:34} {figure.value:>8}  {figure.counted}")
        for one in figure.which if options.details else ():
            print(f"{'':44} {one}")


def figures(source: Path, module: str) -> Iterator[Figure]:
    """All figures of a package."""
    files = sorted(source.rglob("*.py"))
    trees = {module_name(source, file): ast.parse(file.read_text(encoding="utf-8")) for file in files}
    lines = sum(code_lines(file.read_text(encoding="utf-8")) for file in files)
    yield Figure(name="lines of code", value=f"{lines:,}", counted="lines that hold a token of code")
    yield Figure(name="files", value=f"{len(files):,}", counted="*.py, __init__.py included")
    yield folders(source, files)
    yield labelled(trees)
    yield tiff_writers(trees)
    yield same_names(trees)
    yield closure(trees, module)


def module_name(source: Path, file: Path) -> str:
    """Dotted name of a file; a package is called as its folder."""
    parts = [source.name, *file.relative_to(source).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_lines(text: str) -> int:
    """Lines of a file that hold code: no blank ones, no comments, no docstrings."""
    documented = docstring_lines(ast.parse(text))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SKIPPED:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - documented)


def docstring_lines(tree: ast.Module) -> set[int]:
    """Lines of strings that stand alone: docstrings, and those below an attribute."""
    alone = (node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    texts = (node for node in alone if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str))
    return {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def folders(source: Path, files: Sequence[Path]) -> Figure:
    """The folder with the most modules."""
    counts = Counter(file.parent for file in files if file.name != "__init__.py")
    ranked = [f"{count:3} {folder.relative_to(source.parent)}" for folder, count in counts.most_common()]
    return Figure(
        name="modules in the largest folder",
        value=str(max(counts.values())),
        counted=f"__init__.py not counted; {ranked[0].split()[1]}",
        which=tuple(ranked),
    )


def labelled(trees: Trees) -> Figure:
    """Classes with an annotated attribute ``labels``."""
    found = [
        f"{module}.{node.name}"
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(line, ast.AnnAssign) and name_of(line.target) == "labels" for line in node.body)
    ]
    counted = "with 'labels: ...' in their own body; inherited or set in __init__ not counted"
    return Figure(name="classes that carry labels", value=str(len(found)), counted=counted, which=tuple(found))


def tiff_writers(trees: Trees) -> Figure:
    """Functions that write a label TIFF themselves."""
    found = [
        f"{module}.{node.name}"
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, Function) and _writes_tiff(node) and _is_about_labels(node)
    ]
    counted = "functions that call tifffile's imwrite or TiffWriter and name a label, an instance or an id"
    return Figure(name="writers of label TIFFs", value=str(len(found)), counted=counted, which=tuple(found))


def _writes_tiff(function: Function) -> bool:
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(name_of(one) in TIFF_CALLS for one in calls)


def _is_about_labels(function: Function) -> bool:
    text = ast.unparse(function).lower()
    return any(word in text for word in ("label", "instance", "_id"))


def same_names(trees: Trees) -> Figure:
    """Names that two or more modules share."""
    where: defaultdict[str, list[str]] = defaultdict(list)
    for module in trees:
        where[module.rsplit(".", 1)[-1]].append(module)
    shared = tuple(f"{name}: {', '.join(found)}" for name, found in sorted(where.items()) if len(found) > 1)
    counted = "last part of the dotted name; a package counts under its folder's name"
    return Figure(name="module names that occur twice", value=str(len(shared)), counted=counted, which=shared)


def closure(trees: Trees, module: str) -> Figure:
    """Modules of the package that importing one brings, those imported inside its functions too."""
    if module not in trees:
        raise SystemExit(f"There is no module {module}; name one with --module.")
    waiting, seen = [module], set[str]()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        waiting += [name for target in imported(one, trees) for name in with_parents(target, trees)]
    seen.update(name for one in tuple(seen) for name in with_parents(one, trees))
    counted = f"from {module}: imports followed, also those inside functions; no names in strings; packages included"
    return Figure(name="modules that it imports", value=str(len(seen) - 1), counted=counted, which=tuple(sorted(seen)))


def imported(module: str, trees: Trees) -> Iterator[str]:
    """Names that a module imports, absolute; of a package's content as ``package.name``."""
    is_package = any(name.startswith(f"{module}.") for name in trees)
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in _imports_that_run(trees[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _imports_that_run(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports, without those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and name_of(node.test) == "TYPE_CHECKING":
            yield from (one for other in node.orelse for one in _imports_that_run(other))
        else:
            yield from _imports_that_run(node)


def with_parents(target: str, trees: Trees) -> Iterator[str]:
    """The modules of ours that importing ``target`` runs: itself, if it is one, and the packages above it."""
    parts = target.split(".")
    names = (".".join(parts[: end + 1]) for end in range(len(parts)))
    return (name for name in names if name in trees)


def name_of(node: ast.expr) -> str:
    """Last part of a name: "b" of ``a.b``; empty for anything else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


if __name__ == "__main__":
    main()
