"""What an app changes of its process holds for the app: what its hospital computes is the same."""

from pathlib import Path

import numpy as np
import pytest

from participant.app.app import load_app
from participant.errors import BadApp

APP = """
import numpy as np

np.seterr(all="raise")

def initial_parameters(config):
    return {"w": np.zeros(3)}

def fit(parameters, config):
    return parameters["w"] + np.float64(1e-200) ** 2, 1, {}

def evaluate(parameters, config):
    np.seterr(under="ignore")
    return float(np.float64(1e-200) ** 2), 1, {}
"""


def test_what_numpy_raises_for_an_app_it_raises_for_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "strict_app.py"
    path.write_text(APP)
    before = np.geterr()
    app = load_app(path, tmp_path / "errors")
    assert np.geterr() == before
    with pytest.raises(BadApp, match="FloatingPointError: underflow"):
        app.fit({"w": np.zeros(3)}, {})
    assert np.geterr() == before
    assert app.evaluate({}, {})[0] == 0.0
    assert app.fit({"w": np.zeros(3)}, {})[1] == 1  # as it has chosen since
    assert np.geterr() == before
