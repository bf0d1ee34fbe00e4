"""No proof vanishes: what tests start is installed; where all must be run, to lack it fails."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import node
from tests.servers import MUST_HAVE_ALL, installed

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "deploy" / "servers.sh"
PROGRAMS = subprocess.run(
    [SCRIPT, "list"], capture_output=True, text=True, check=True
).stdout.split()

FOR_PICTURES = {"chromium"}
"""What only those start that no gate runs."""

FAILED, SKIPPED = pytest.fail.Exception, pytest.skip.Exception


def _started() -> Iterator[str]:
    """Yield the programs that the tests' code asks for by name."""
    for path in (CHECKOUT / "tests").rglob("*.py"):
        for found in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(found, ast.Call)
                and isinstance(found.func, ast.Name)
                and found.func.id == "installed"
            ):
                yield from (str(a.value) for a in found.args if isinstance(a, ast.Constant))


def test_the_script_sees_to_every_program_that_a_test_starts() -> None:
    assert set(_started()) - FOR_PICTURES == set(PROGRAMS)


def test_nobody_looks_for_a_program_but_through_what_can_fail() -> None:
    looks = {
        path.name
        for path in (CHECKOUT / "tests").rglob("*.py")
        if "shutil.which" in path.read_text()
    }

    assert looks <= {"servers.py", Path(__file__).name}


class Machine:
    """One on which nothing is installed but what is said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for tool in ("sh", "tr", "mkdir", "touch", "ln"):
            (folder / tool).symlink_to(shutil.which(tool) or tool)

    def has(self, program: str, script: str = "exit 0") -> None:
        """Install a program."""
        path = self.folder / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self) -> tuple[int, str]:
        """Run the script; return its status and what it says."""
        done = subprocess.run(
            [SCRIPT],
            env={"PATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One that has all but amtool, and a user who is not root."""
    found = Machine(tmp_path / "bin")
    found.has("id", "echo 1000")
    for program in set(PROGRAMS) - {"amtool", "alertmanager"}:
        found.has(program)
    return found


def test_a_machine_that_has_all_is_left_alone(machine: Machine) -> None:
    machine.has("amtool")

    assert machine.run() == (0, "")


@pytest.mark.parametrize("program", sorted(set(PROGRAMS) - {"alertmanager"}))
def test_each_program_is_missed(machine: Machine, program: str) -> None:
    machine.has("amtool")
    (machine.folder / program).unlink()

    status, said = machine.run()

    assert status == 1
    assert f"The tests start {program}" in said


def test_who_may_not_install_is_told_what_to(machine: Machine) -> None:
    status, said = machine.run()

    assert status == 1
    assert said.endswith(
        "amtool, which isn't installed: sudo apt-get install prometheus-alertmanager\n"
    )


def test_a_package_that_brings_no_program_is_a_failure(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has("apt-get")

    status, said = machine.run()

    assert (status, said.splitlines()) == (
        1,
        [
            "Installing prometheus-alertmanager ...",
            "Installed prometheus-alertmanager, and there is still no amtool",
        ],
    )


def test_a_package_that_brings_it_will_do(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has("apt-get", f"ln -sf npm {machine.folder}/amtool")

    assert machine.run()[0] == 0


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A machine on which tests find nothing, and on which they may be skipped."""
    found = Machine(tmp_path / "bare")
    monkeypatch.setenv("PATH", str(found.folder))
    monkeypatch.delenv(MUST_HAVE_ALL, raising=False)
    return found


@pytest.mark.usefixtures("bare")
def test_without_its_server_a_test_is_skipped_and_says_so() -> None:
    with pytest.raises(SKIPPED, match=r"amtool is not installed: deploy/servers\.sh installs it"):
        installed("amtool")


@pytest.mark.usefixtures("bare")
def test_where_all_must_be_run_a_test_without_its_server_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MUST_HAVE_ALL, "1")

    with pytest.raises(FAILED, match="amtool is not installed"):
        installed("amtool")


def test_the_gate_must_run_all() -> None:
    before, _, _ = (CHECKOUT / "deploy" / "check.sh").read_text().partition('"$bin/pytest"')

    assert f"export {MUST_HAVE_ALL}=1" in before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a package."""
    made = tmp_path / "package"
    made.mkdir()
    (made / "package-lock.json").write_text("{}")
    return made


@pytest.mark.parametrize(("value", "outcome"), [("", SKIPPED), ("1", FAILED)])
def test_so_it_is_where_npm_fails(
    bare: Machine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    outcome: type[BaseException],
) -> None:
    monkeypatch.setenv(MUST_HAVE_ALL, value)
    bare.has("node")
    bare.has("npm", "echo npm error code ENOTFOUND >&2; exit 1")

    with pytest.raises(outcome, match=r"can't install package's packages: npm error code ENOTF"):
        node.install(folder)


def test_of_many_who_ask_at_once_one_installs(bare: Machine, folder: Path) -> None:
    bare.has("node")
    bare.has(
        "npm",
        "mkdir node_modules || exit 1; echo once >>asked; touch node_modules/.package-lock.json",
    )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(node.install, [folder] * 8))

    assert (folder / "asked").read_text() == "once\n"
