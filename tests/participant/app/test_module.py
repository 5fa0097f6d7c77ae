"""An app's file as a module: whatever its name and its neighbours, and in worker processes."""

import os
from pathlib import Path
from textwrap import dedent

import pytest

from participant.app.app import LoadedApp, load_app
from participant.errors import BadApp

pytestmark = pytest.mark.usefixtures("path_as_it_was")
APP = """
    import multiprocessing
    import os

    class Scans:
        def __init__(self, count):
            self.count = count

        def examples(self):
            return self.count, __name__, os.getpid()

    def counted(scans):
        return scans.examples()

    def initial_parameters(config):
        return []

    def fit(parameters, config):
        with multiprocessing.get_context(config["how"]).Pool(1) as pool:
            return pool.apply(counted, (Scans(7),))

    def evaluate(parameters, config):
        return 0.5, 5, {}
"""


def written(path: Path, text: str = APP) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


def loaded(path: Path) -> LoadedApp:
    return load_app(path, path.parent / "errors")


@pytest.mark.parametrize("how", ["spawn", pytest.param("forkserver", marks=pytest.mark.slow)])
def test_workers_import_the_apps_file(tmp_path: Path, how: str) -> None:
    app = loaded(written(tmp_path / "hospital_app.py"))
    count, name, process = app.fit([], {"how": how})
    assert (count, name) == (7, "hospital_app")
    assert process != os.getpid()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my-app.py", "my-app"),
        pytest.param("space in it.py", "space in it", marks=pytest.mark.slow),
        pytest.param(
            "trial_study/inner/app_of_study.py",
            "trial_study.inner.app_of_study",
            marks=pytest.mark.slow,
        ),
        pytest.param("another_study/__init__.py", "another_study", marks=pytest.mark.slow),
    ],
)
def test_workers_import_files_of_any_name_and_of_packages(
    tmp_path: Path, file: str, name: str
) -> None:
    path = written(tmp_path / file)
    for folder in (path.parent, path.parent.parent):
        if folder not in (tmp_path, tmp_path.parent):
            (folder / "__init__.py").touch()
    assert loaded(path).fit([], {"how": "spawn"})[:2] == (7, name)


def test_a_package_is_loaded_by_its_folder_and_its_modules_see_each_other(tmp_path: Path) -> None:
    written(tmp_path / "heart_study" / "numbers.py", "EXAMPLES = 11\n")
    text = dedent(APP).replace("import os", "import os\nfrom .numbers import EXAMPLES")
    written(tmp_path / "heart_study" / "__init__.py", "from .hospital import *\n")
    path = written(tmp_path / "heart_study" / "hospital.py", text)
    for place in (tmp_path / "heart_study", path):
        assert callable(loaded(place).functions["fit"])


def test_a_file_in_a_package_may_name_its_neighbours_without_the_package(tmp_path: Path) -> None:
    for name in ("__init__", "numbers_beside"):
        written(tmp_path / "plain_study" / f"{name}.py", "EXAMPLES = 11\n")
    text = dedent(APP).replace("return []", "import numbers_beside; return numbers_beside.EXAMPLES")
    path = written(tmp_path / "plain_study" / "hospital.py", text)
    assert loaded(path).initial_parameters({}) == 11


def test_neighbours_that_import_the_app_find_the_same_module(tmp_path: Path) -> None:
    text = dedent(APP).replace("return []", "import beside_it; return beside_it.Scans is Scans")
    path = written(tmp_path / "app_with_neighbour.py", text)
    written(tmp_path / "beside_it.py", "from app_with_neighbour import Scans\n")
    assert loaded(path).initial_parameters({}) is True


@pytest.mark.parametrize("name", ["random.py", "numpy.py", "participant.py", "app.v2.py"])
def test_a_file_that_no_worker_could_import_is_refused_with_what_to_do(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadApp, match=r"give (the file|it) another name") as caught:
        loaded(written(tmp_path / name))
    assert str(tmp_path / name) in caught.value.function


def test_a_file_beside_a_package_of_its_name_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "twice" / "__init__.py", "")
    with pytest.raises(BadApp, match="Python cannot import it as 'twice': give it another name"):
        loaded(written(tmp_path / "twice.py"))


def test_an_app_is_another_each_time_it_is_loaded(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        text = dedent(APP).replace("return []", f"return {folder!r}")
        assert loaded(written(tmp_path / folder / "same.py", text)).initial_parameters({}) == folder
