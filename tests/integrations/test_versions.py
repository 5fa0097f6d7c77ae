"""A framework that a package was not written for is refused, with what to install."""

import pytest

from quorate_client.versions import WrongVersion, require_version


def test_a_framework_that_is_not_there_is_said_with_what_to_install() -> None:
    with pytest.raises(
        WrongVersion, match=r"quorate_it needs it-is-not: pip install 'it-is-not>=1\.2,<2'"
    ):
        require_version("quorate_it", "it-is-not", "1.2", "2")


@pytest.mark.parametrize("found", ["1.2", "1.2.0.dev1", "1.10.3", "1.99rc1"])
def test_versions_from_the_least_on_are_taken(found: str) -> None:
    require_version("quorate_it", "it", "1.2", "2", found)


@pytest.mark.parametrize(("found", "age"), [("1.1.9", "old"), ("0.19", "old"), ("2.0.0", "new")])
def test_others_are_refused_with_both_versions(found: str, age: str) -> None:
    why = rf"it {found} is too {age} for quorate_it, .* 1\.2 or later and no 2\.x: pip install"
    with pytest.raises(WrongVersion, match=why):
        require_version("quorate_it", "it", "1.2", "2", found)
