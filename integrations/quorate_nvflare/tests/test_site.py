# SPDX-License-Identifier: Apache-2.0
"""A site's local folder is written so that the filters decide what leaves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nvflare.app_common.default_component_policy import DEFAULT_CLASS_ALLOW_LIST
from quorate_nvflare.errors import BadSettings
from quorate_nvflare.site import authorization, privacy, resources, write_local

RESOURCES = {
    "format_version": 2, "allow_log_streaming": True, "class_allow_list": ["nvflare."],
    "components": [{"id": "process_launcher"}, {"id": "site_log_streamer"}],
}  # fmt: skip
AUTHORIZATION = {
    "format_version": "1.0",
    "permissions": {"project_admin": "any", "lead": {"submit_job": "any", "byoc": "any"}},
}


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    local = tmp_path / "local"
    local.mkdir()
    (local / "resources.json.default").write_text(json.dumps(RESOURCES))
    (local / "authorization.json.default").write_text(json.dumps(AUTHORIZATION))
    return tmp_path


def test_no_role_may_bring_code(kit: Path) -> None:
    roles = authorization(AUTHORIZATION)["permissions"]
    assert {rights["byoc"] for rights in roles.values()} == {"none"}
    assert roles["lead"]["submit_job"] == roles["project_admin"]["submit_job"] == "any"


def test_jobs_are_made_of_the_filters_and_of_what_the_site_names(kit: Path) -> None:
    found = resources(RESOURCES, ["hospital_code.AddsOne"])
    assert found["class_list_enforcement_mode"] == "enforce"
    assert [one.rpartition(".")[2] for one in found["class_allow_list"]] == [
        "QuorateModelFilter", "QuorateUpdateFilter", "AddsOne",
    ]  # fmt: skip


def test_no_log_goes_to_the_server(kit: Path) -> None:
    found = resources(RESOURCES, [])
    assert found["allow_log_streaming"] is False
    assert [one["id"] for one in found["components"]] == ["process_launcher"]


def test_an_app_that_a_plan_pins_is_written_and_read_as_a_sha_256(kit: Path) -> None:
    write_local(kit, privacy("/run/agent.sock", [], "ab" * 32), [])
    (scope,) = json.loads((kit / "local/privacy.json").read_text())["scopes"]
    assert scope["properties"]["quorate-app"] == "ab" * 32
    with pytest.raises(BadSettings, match=r"quorate-app is no SHA-256"):
        privacy("/run/agent.sock", [], "latest")


def test_what_the_site_has_written_is_not_touched(kit: Path) -> None:
    (kit / "local/resources.json").write_text("{}")
    with pytest.raises(BadSettings, match=r"resources.json is there already"):
        write_local(kit, privacy("/run/agent.sock", []), [])
    assert not (kit / "local/privacy.json").exists()


def test_a_folder_that_is_no_kit_is_named_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "quorate_nvflare.site", str(tmp_path), "--socket", "/a"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "name the folder that NVFlare has provisioned" in done.stderr
    assert "Traceback" not in done.stderr


def test_nvflare_lists_no_class_that_runs_a_jobs_command() -> None:
    """If it does one day, docs/nvflare.md says something that is not so."""
    assert not [name for name in DEFAULT_CLASS_ALLOW_LIST if name.endswith("ClientAPIExecutor")]
