from __future__ import annotations

import shlex

import pytest

from ppyr import cli, manual


@pytest.mark.parametrize("command", manual.PAGES)
def test_every_example_is_understood(command: str) -> None:
    for line, told in manual.PAGES[command].examples.items():
        name, *words = shlex.split(line.split(" < ")[0].split(" > ")[0])
        assert name == "ppyr"
        assert told
        assert cli.parse(words).command == command


@pytest.mark.parametrize("command", manual.PAGES)
def test_the_help_of_a_command_is_a_page(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    parts = [said.index(part) for part in ("usage: ", "examples:", "exit status:", "environment:")]
    assert ended.value.code == 0
    assert parts == sorted(parts)
    assert all(line in said for line in manual.PAGES[command].examples)


def test_every_command_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert all(f"\n    {command}" in said for command in manual.PAGES)
