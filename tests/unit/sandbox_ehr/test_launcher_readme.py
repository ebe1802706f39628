"""The README of the simulated EHR names what there is."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path

import sandbox_ehr
from sandbox_ehr.faults import FAULTS, Fault
from sandbox_ehr.launcher import Launcher
from sandbox_ehr.personas import list_personas
from sandbox_ehr.registered_clients import demo_clients, parse_clients_file
from sandbox_ehr.seed.loader import load_accounts
from sandbox_ehr.simulated_errors import SIMULATED_ERRORS

README = (Path(sandbox_ehr.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_readme_names_every_error_account_and_client() -> None:
    names = [*SIMULATED_ERRORS, *load_accounts(), *(client.client_id for client in demo_clients())]
    assert [name for name in names if f"`{name}`" not in README] == []


def test_readme_names_every_parameter_of_a_launch_link() -> None:
    calls = ast.walk(ast.parse(inspect.getsource(Launcher.parse_order).replace("\n    ", "\n").strip()))
    parameters = [
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func) == "parameters.get"
        and isinstance(call.args[0], ast.Constant)
    ]
    assert len(parameters) > 10
    assert [name for name in parameters if f"`{name}`" not in README] == []


def test_clients_file_of_the_readme_can_be_read(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert found is not None
    path = tmp_path / "clients.toml"
    path.write_text(found[1], encoding="utf-8")
    assert parse_clients_file(path)[0].client_auth == "private_key_jwt"


def test_readme_names_every_persona() -> None:
    assert [name for name in list_personas() if f"| `{name}` |" not in README] == []


def test_readme_names_every_fault_and_what_it_may_be_told() -> None:
    keys = {field.name for field in fields(Fault)} - {"fault", "method", "path"} | {"match"}
    assert [name for name in [*FAULTS, *sorted(keys)] if f"`{name}`" not in README] == []
