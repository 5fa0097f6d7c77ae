# SPDX-License-Identifier: Apache-2.0
"""The apps in examples/: what quorate changes in them is what their READMEs say."""

import pytest

from tests.stage.example import EXAMPLES, changes

NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_an_app_becomes_one_for_quorate_by_a_few_lines_that_its_readme_shows(name: str) -> None:
    found = {change.file.rpartition("/")[2]: change for change in changes(name)}
    assert 1 <= len(found["client_app.py"].added) <= 3
    server = found.get("server_app.py")
    assert server is None or len(server.added) <= 2
    for change in found.values():
        lines = (EXAMPLES / name / change.file).read_text().splitlines()
        assert set(change.added) <= set(lines)
        assert not set(change.removed) & set(lines)
