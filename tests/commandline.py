"""Runs a command as from a shell, but in this process."""

from collections.abc import Mapping

from click.testing import CliRunner, Result

from surge_exporter.cli import main


def run(*arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Result:
    """Return what a command printed and how it ended; what it failed to catch is raised."""
    return CliRunner().invoke(
        main, arguments, prog_name="surge-exporter", input=stdin, env=env, catch_exceptions=False
    )


def sentence(result: Result) -> str:
    """Return the one sentence that a command said on stderr, having printed no data."""
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.endswith("\n")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")
