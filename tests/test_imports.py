"""Dependencies point down only, by package and by folder; keyshare imports nothing but itself."""

import ast
import graphlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "keyshare": {"keyshare"},
    "protocol": {"keyshare", "protocol"},
    "participant": {"keyshare", "protocol", "participant"},
    "aggregator": {"keyshare", "protocol", "aggregator"},
}
FULL = 15  # files in a folder, with its __init__
DOORS = dict.fromkeys(MAY_IMPORT, ("__init__.py", "__main__.py"))
FOLDERS = [*MAY_IMPORT, "benchmarks", "examples", "tests"]
IMPURE = {"asyncio", "io", "os", "pathlib", "socket", "sqlite3", "time", "websockets"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(package: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                yield path, node.module or ""
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_down(package: str) -> None:
    found = list(imports(package))
    assert found
    for path, module in found:
        top = module.partition(".")[0]
        assert top not in MAY_IMPORT.keys() - MAY_IMPORT[package], f"{path} imports {module}"


def folder(name: str) -> str:
    """The folder of a module, or of what stands in one, with dots."""
    while not (ROOT / name.replace(".", "/")).is_dir():
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_folders_import_each_other_one_way(package: str) -> None:
    """A folder is a chapter. What stands beside the chapters is below them, but for the doors."""
    needs: defaultdict[str, set[str]] = defaultdict(set)
    for path, name in imports(package):
        file = path.relative_to(ROOT)
        if name.partition(".")[0] == package and file.name not in DOORS.get(str(file.parent), ()):
            here = ".".join(file.parent.parts)
            needs[here] |= {folder(name)} - {here}
    assert set(graphlib.TopologicalSorter(needs).static_order())  # CycleError names the folders


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_chapter_is_imported_by_its_own_name(package: str) -> None:
    """Its ``__init__`` has what others may use, but for what is called as its module is."""
    for path, module in imports(package):
        chapter, _, last = module.rpartition(".")
        if chapter.count(".") and (ROOT / module.replace(".", "/")).with_suffix(".py").is_file():
            is_own = ".".join(path.relative_to(ROOT).parent.parts) == chapter
            assert is_own or chapter == "protocol.programs" or shares_name(path, module, last), (
                f"{path} imports {module}, not {chapter}"
            )


def shares_name(path: Path, module: str, last: str) -> bool:
    """Whether a file imports a chapter's module as such, or what is called as the module is."""
    lines = path.read_text().splitlines()
    return f"from {module} import {last}" in lines or not any(
        line.strip().startswith(f"from {module} import") for line in lines
    )


def test_no_folder_is_too_full_to_be_read() -> None:
    found = Counter(path.parent for top in FOLDERS for path in (ROOT / top).rglob("*.py"))
    assert {str(f.relative_to(ROOT)): n for f, n in found.items() if n > FULL} == {}


@pytest.mark.parametrize("package", ["keyshare", "protocol"])
def test_the_mathematics_and_the_protocol_do_no_input_or_output(package: str) -> None:
    """But for what both programs share of their machine, which nothing else in there imports."""
    for path, module in imports(package):
        if ROOT / "protocol/programs" not in path.parents:
            assert module.partition(".")[0] not in IMPURE, f"{path} imports {module}"
            assert not module.startswith("protocol.programs"), f"{path} imports {module}"


def attributes(package: str) -> Iterator[tuple[Path, str]]:
    """Every ``a.b.c`` that the package's code names."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute):
                yield path, ast.unparse(node)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_weak_randomness_is_used(package: str) -> None:
    for path, module in imports(package):
        assert module.partition(".")[0] != "random", f"{path} imports {module}"
        assert not module.startswith("numpy.random"), f"{path} imports {module}"
    for path, name in attributes(package):
        assert not name.startswith(("np.random", "numpy.random")), f"{path} uses {name}"


def test_a_class_of_protocol_or_participant_has_its_name_alone() -> None:
    paths = [p for name in ("protocol", "participant") for p in (ROOT / name).rglob("*.py")]
    bodies = [tree(path).body for path in paths]
    names = [node.name for body in bodies for node in body if isinstance(node, ast.ClassDef)]
    shared = {name for name, count in Counter(names).items() if count > 1}
    assert {name for name in shared if not name.startswith("_")} == set()
