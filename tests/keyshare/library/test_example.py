"""docs/library.md says what its example prints, and names all that the door exports."""

import re
from pathlib import Path

import pytest

import keyshare
from tests.stage.toy import toy_epoch

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "library.md").read_text()
EXAMPLE, OF_A_CEREMONY, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SMALL = EXAMPLE.replace("bits=3072", "bits=256, allow_small_key=True")
PRINTED = re.compile(r"^ *print\(.*\) +# (.*)$", re.MULTILINE)


@pytest.mark.parametrize(
    "source", [pytest.param(EXAMPLE, marks=pytest.mark.slow, id="as it stands"), SMALL]
)
def test_the_example_prints_what_it_says(source, capsys):
    exec(source, {})
    assert len(PRINTED.findall(source)) == source.count("print(") > 0
    assert capsys.readouterr().out.splitlines() == PRINTED.findall(source)


def test_the_small_example_is_smaller():
    assert SMALL != EXAMPLE


def test_the_shares_of_a_ceremony_are_made_as_the_page_says():
    """From what a ceremony leaves of two members, they decrypt together."""
    toy, shares = toy_epoch(5, 2), []
    for member in (2, 4):
        found = {"epoch": toy.epoch, "secret": toy.secrets[member]}
        exec(OF_A_CEREMONY, found)
        key = found["key"]
        shares.append(found["share"])
    total = key.encrypt(20) + keyshare.PublicKey.from_phe(key.to_phe()).encrypt(-62)
    assert key.combine(total, [share.decrypt_part(total) for share in shares]) == -42


def test_the_page_names_everything_that_is_exported_but_errors_without_fields():
    for name in keyshare.__all__:
        found = getattr(keyshare, name)
        is_error = isinstance(found, type) and issubclass(found, Exception)
        assert is_error or f"`{name}`" in PAGE, name


def test_what_is_exported_is_documented_typed_and_nothing_else():
    assert (Path(keyshare.__file__).parent / "py.typed").exists()
    for name in keyshare.__all__:
        found = getattr(keyshare, name)
        assert found.__doc__, name
        public = [n for n in vars(found) if not n.startswith("_") and callable(getattr(found, n))]
        assert all(getattr(found, n).__doc__ for n in public), name
