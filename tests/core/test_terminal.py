"""What is printed are a company's own texts: none is taken for a style."""

import pytest
from rich.console import Console

from churn_value import cli
from churn_value.errors import ConfigError

WORDS = ["^[a-z][a-z0-9_]{1,40}$", "[red]", "[/b]", ":smile:", "[link=x]y", "客户[1]"]


@pytest.fixture
def said(monkeypatch, capsys):
    """What a job prints on both streams."""
    for name, given in (("stdout", False), ("stderr", True)):
        console: Console = getattr(cli, name)
        monkeypatch.setattr(
            cli, name, Console(stderr=given, width=cli.WIDE, markup=console._markup, emoji=console._emoji)
        )
    return lambda: "".join(capsys.readouterr())


@pytest.mark.parametrize("word", WORDS)
def test_an_error_is_printed_as_it_is_written(said, monkeypatch, word):
    def job() -> None:
        raise ConfigError(f"must match {word}", where="name", received=word)

    monkeypatch.setattr("sys.argv", ["job"])
    with pytest.raises(SystemExit) as ended:
        cli.main(job)
    assert ended.value.code == ConfigError.exit_status
    assert said() == f"CONFIG_INVALID name: must match {word}; received {word}\n"


@pytest.mark.parametrize("word", WORDS)
def test_tables_steps_and_bars_show_texts_as_they_are(said, word):
    with cli.step(f"reading {word}"):
        cli.stdout.print(cli.table(word, (word,), [(word,)]))
    with cli.progress() as bars:
        bars.add_task(word, total=1, completed=1)
    assert said().count(word) >= 5


@pytest.mark.parametrize(("place", "reason"), [("no/such/folder/list.csv", "No such file"), (".", "Is a directory")])
def test_a_place_that_cannot_be_written_is_named_without_a_traceback(said, monkeypatch, tmp_path, place, reason):
    def job() -> None:
        (tmp_path / place).write_text("customer_id")

    monkeypatch.setattr("sys.argv", ["job"])
    with pytest.raises(SystemExit) as ended:
        cli.main(job)
    assert ended.value.code == ConfigError.exit_status
    told = said()
    assert told.startswith(f"FILE_REFUSED {tmp_path / place}: ")
    assert reason in told


def test_a_connection_that_fails_is_no_file(monkeypatch):
    def job() -> None:
        raise ConnectionError("nobody listens")

    monkeypatch.setattr("sys.argv", ["job"])
    with pytest.raises(ConnectionError):
        cli.main(job)
