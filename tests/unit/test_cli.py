"""The command line as a whole: every command explains itself, and its docs are fresh."""

import logging
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from surge_exporter import __version__
from surge_exporter.cli import COMMANDS, main
from surge_exporter.config import Config, load, parse
from tests.commandline import run, sentence

CHECKOUT = Path(__file__).parents[2]
NAMES = [str(command.name) for command in COMMANDS]
GENERATED = [
    "README.md",
    "exporter/docs/metrics.md",
    "exporter/docs/commands.md",
    "deploy/surge.yml",
]


def command(name: str) -> click.Command:
    return next(command for command in COMMANDS if command.name == name)


def options(name: str) -> list[click.Option]:
    return [option for option in command(name).params if isinstance(option, click.Option)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with all that `render docs` reads and writes, fresh."""
    shutil.copy(CHECKOUT / "README.md", tmp_path)
    assert run("render", "docs", "--out", str(tmp_path)).exit_code == 0
    return tmp_path


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put the root logger back as it was: commands set it up for their process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_every_command_is_reachable_under_its_name() -> None:
    assert list(main.commands.values()) == list(COMMANDS)
    assert {"serve", "report", "render", "check-config", "simulate", "demo"} <= set(NAMES)


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself_in_sentences(name: str, flag: str) -> None:
    result = run(name, flag)

    first, *_ = (command(name).help or "").split("\n\n")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: surge-exporter {name} ")
    assert first[:1].isupper()
    assert first.endswith(".")
    assert " ".join(first.split()) in " ".join(result.stdout.split())


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text(name: str) -> None:
    assert [option.name for option in options(name) if not option.help] == []


def test_the_help_of_all_lists_every_command() -> None:
    result = run("--help")

    listed = result.stdout.partition("Commands:\n")[2].splitlines()
    assert sorted(line.split()[0] for line in listed) == sorted(NAMES)


def test_every_flag_of_serve_is_an_environment_variable_too() -> None:
    variables = {option.opts[0]: option.envvar for option in options("serve")}

    assert variables == {
        flag: "SURGE_" + flag.removeprefix("--").upper().replace(".", "_").replace("-", "_")
        for flag in variables
    }


def test_only_what_one_report_is_about_is_no_environment_variable() -> None:
    of_serve = {option.opts[0]: option.envvar for option in options("serve")}
    of_report = {option.opts[0]: option.envvar for option in options("report")}

    assert {flag for flag, variable in of_report.items() if variable is None} == {
        "--metrics",
        "--heartbeat",
        "--now",
        "--json",
        "--exit-code",
    }
    assert {flag: of_serve[flag] for flag, variable in of_report.items() if variable} == {
        flag: variable for flag, variable in of_report.items() if variable
    }


def test_help_says_which_environment_variable_an_option_is() -> None:
    text = " ".join(run("serve", "--help").stdout.split())

    assert "[env var: SURGE_TELEMETRY_DIR]" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["forecast"], "No such command 'forecast'"),
        (["report", "--hours", "6"], "No such option"),
        (["check-config"], "Missing argument 'FILE'"),
        (["serve", "--log.level", "loud"], "Invalid value for '--log.level'"),
        (["render", "docs", "--out", "/nowhere"], "Invalid value for '--out'"),
    ],
)
def test_wrong_usage_exits_with_2_and_points_to_the_help(arguments: list[str], said: str) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "--help' for help" in result.stderr


def test_the_version_is_printed_by_the_module_as_by_the_script() -> None:
    module = subprocess.run(
        [sys.executable, "-m", "surge_exporter", "--version"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert module.stdout.endswith(f", version {__version__}\n")
    assert run("--version").stdout == f"surge-exporter, version {__version__}\n"


def test_the_docs_of_the_checkout_are_fresh() -> None:
    result = run("render", "docs", "--check", "--out", str(CHECKOUT))

    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_docs(name: str) -> None:
    page = (CHECKOUT / "exporter/docs/commands.md").read_text(encoding="utf-8")

    assert f"## `surge-exporter {name}`\n\n```text\nUsage: surge-exporter {name} " in page


@pytest.mark.parametrize("name", GENERATED)
def test_a_file_that_was_changed_is_stale_until_it_is_rendered(checkout: Path, name: str) -> None:
    file = checkout / name
    fresh = file.read_text(encoding="utf-8")
    file.write_text(fresh.replace("surge", "urge"), encoding="utf-8")

    check = run("render", "docs", "--check", "--out", str(checkout))
    assert check.exit_code == 1
    assert sentence(check) == f"stale, run `surge-exporter render docs`: {name}"

    written = run("render", "docs", "--out", str(checkout))
    assert (written.exit_code, written.stdout) == (0, "")
    assert run("render", "docs", "--check", "--out", str(checkout)).exit_code == 0


def test_a_file_that_is_missing_is_stale(checkout: Path) -> None:
    (checkout / "exporter/docs/metrics.md").unlink()

    check = run("render", "docs", "--check", "--out", str(checkout))

    assert check.exit_code == 1
    assert sentence(check).endswith(": exporter/docs/metrics.md")


def test_checking_writes_nothing(checkout: Path) -> None:
    (checkout / "deploy/surge.yml").write_text("stale", encoding="utf-8")

    run("render", "docs", "--check", "--out", str(checkout))

    assert (checkout / "deploy/surge.yml").read_text(encoding="utf-8") == "stale"


def test_rendering_writes_only_what_is_stale(checkout: Path) -> None:
    (checkout / "deploy/surge.yml").unlink()

    result = run("render", "docs", "--out", str(checkout))

    assert result.stderr == f"Wrote {checkout / 'deploy/surge.yml'}\n"


def test_what_stands_around_the_generated_part_of_the_readme_is_kept(checkout: Path) -> None:
    readme = checkout / "README.md"
    begin, end = "<!-- begin generated: signals -->", "<!-- end generated: signals -->"
    readme.write_text(f"before\n{begin}\nstale\n{end}\nafter\n", encoding="utf-8")

    run("render", "docs", "--out", str(checkout))

    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{begin}\n| signal |")
    assert text.endswith(f"|\n{end}\nafter\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no markers", "{}: expected the markers "),
        (None, "expected a checkout with {}: No such file or directory"),
    ],
)
def test_a_readme_that_cannot_be_filled_gets_a_sentence(
    checkout: Path, text: str | None, said: str
) -> None:
    (checkout / "README.md").unlink()
    if text is not None:
        (checkout / "README.md").write_text(text, encoding="utf-8")

    result = run("render", "docs", "--out", str(checkout))

    assert result.exit_code == 2
    assert sentence(result).startswith(said.format(checkout / "README.md"))
    assert sentence(result).count("README.md") == 1


def test_the_sample_configuration_is_the_default_one() -> None:
    assert load(CHECKOUT / "deploy/surge.yml") == Config()


def test_check_config_prints_what_a_configuration_resolves_to(tmp_path: Path) -> None:
    file = tmp_path / "surge.yml"
    file.write_text("signals: {demand_surge: {warning: 2}}\n", encoding="utf-8")

    result = run("check-config", str(file))

    assert (result.exit_code, result.stderr) == (0, "")
    assert parse(result.stdout).signals["demand_surge"] == {"warning": 2.0, "critical": 3.0}
    assert parse(result.stdout).window == Config().window


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("windows: {}", "unknown setting windows; known there: "),
        ("window: {horizon_hours: 0}", "window.horizon_hours: expected a number "),
        (
            "web: {listen_addresses: ['localhost']}",
            "web.listen_addresses: expected a listen address like 127.0.0.1:10074",
        ),
    ],
)
def test_check_config_says_what_is_wrong_and_exits_with_2(
    tmp_path: Path, text: str | None, said: str
) -> None:
    file = tmp_path / "surge.yml"
    if text is not None:
        file.write_text(text, encoding="utf-8")

    result = run("check-config", str(file))

    assert result.exit_code == 2
    assert sentence(result).startswith(f"{file}: {said}")


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config.file", "no.yml"], "no.yml: cannot be read: No such file or directory"),
        (["--web.listen-address", "10074"], "expected a listen address like "),
    ],
)
def test_serve_says_why_it_cannot_begin(arguments: list[str], said: str) -> None:
    result = run("serve", *arguments)

    assert result.exit_code == 2
    assert sentence(result).startswith(said)


@pytest.mark.usefixtures("own_logging")
def test_serve_names_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        result = run("serve", "--web.listen-address", address)

    assert result.exit_code == 1
    assert sentence(result) == f"cannot listen on {address}: Address already in use"


@pytest.mark.usefixtures("own_logging")
def test_serve_names_an_address_that_is_not_here() -> None:
    result = run("serve", "--web.listen-address", "no host:1")

    assert result.exit_code == 1
    assert sentence(result).startswith("cannot listen on no host:1: ")


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize("name", ["serve", "demo"])
def test_several_listen_addresses_may_come_from_the_environment(name: str) -> None:
    result = run(name, env={"SURGE_WEB_LISTEN_ADDRESS": "127.0.0.1:0 nowhere"})

    assert result.exit_code == 2
    assert sentence(result) == "expected a listen address like 127.0.0.1:10074, got 'nowhere'"
