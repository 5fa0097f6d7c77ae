"""A setting is the framework's, else the environment's, and one that makes no sense is named."""

import pytest

from quorate_client.settings import APP, METRICS, SOCKET, HospitalSettings


class Wrong(Exception):
    pass


def test_what_the_framework_has_counts_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUORATE_SOCKET", " /run/theirs ")
    assert HospitalSettings({}, Wrong).text(SOCKET) == "/run/theirs"
    assert HospitalSettings({SOCKET: "/run/ours"}, Wrong).text(SOCKET) == "/run/ours"
    assert HospitalSettings({SOCKET: ""}, Wrong).text(SOCKET) == ""  # the hospital's own word


def test_what_nobody_has_set_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOCKET", "METRICS", "APP"):
        monkeypatch.delenv(f"QUORATE_{name}", raising=False)
    nothing = HospitalSettings({}, Wrong)
    assert (nothing.text(SOCKET), nothing.names(METRICS), nothing.app()) == ("", frozenset(), "")


def test_names_are_separated_by_commas() -> None:
    listed = HospitalSettings({METRICS: " loss,accuracy , ,loss"}, Wrong).names(METRICS)
    assert listed == {"loss", "accuracy"}


@pytest.mark.parametrize("found", [7, True, None, ["loss"], b"loss"])
def test_what_is_no_text_is_refused_by_its_name(found: object) -> None:
    with pytest.raises(Wrong, match="this hospital's quorate-metrics is no text: write it in quot"):
        HospitalSettings({METRICS: found}, Wrong).names(METRICS)


@pytest.mark.parametrize("said", ["latest", "AB" * 32, "ab" * 31, "ab" * 33])
def test_what_is_no_hash_is_refused_and_not_repeated(said: str) -> None:
    with pytest.raises(Wrong, match="this hospital's quorate-app is no SHA-256") as caught:
        HospitalSettings({APP: said}, Wrong).app()
    assert said not in str(caught.value)


def test_a_hash_is_taken() -> None:
    assert HospitalSettings({APP: "ab" * 32}, Wrong).app() == "ab" * 32
