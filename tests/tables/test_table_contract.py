"""The contract as a document, and what comes with installed packages."""

import pyarrow.parquet as pq
import pytest

from churn_value.config import TABLE_NAMES
from churn_value.errors import ConfigError
from churn_value.tables.reference import fetch
from churn_value.tables.schema import CONTRACT, REASONS, contract_markdown, main


def test_the_contract_has_the_tables_that_configurations_may_name():
    assert tuple(CONTRACT) == TABLE_NAMES


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_document_names_every_column_and_reason(language):
    text = contract_markdown(language)
    for spec in CONTRACT.values():
        part = text.split(f"### `{spec.name}`")[1].split("###")[0]
        for column in spec.columns:
            assert f"| `{column.name}`" in part
            assert (column.en if language == "en" else column.zh) in part
    assert all(f"| `{code}` |" in text for code in REASONS)


def test_every_meaning_is_written_in_both_languages():
    texts = [(c.en, c.zh) for spec in CONTRACT.values() for c in spec.columns] + list(REASONS.values())
    assert all(en and any("一" <= letter <= "鿿" for letter in zh) for en, zh in texts)


def test_the_contract_is_printed_in_the_language_asked_for(capsys):
    main(["--lang", "zh"])
    assert capsys.readouterr().out == contract_markdown("zh")


def test_the_reference_set_is_written_once_and_repaired(tmp_path):
    files = fetch("completejourney", tmp_path)
    transactions = tmp_path / "completejourney" / "transactions.parquet"
    assert transactions in files
    assert pq.read_metadata(transactions).num_rows == 1_469_307
    times = [path.stat().st_mtime_ns for path in files]
    assert [path.stat().st_mtime_ns for path in fetch("completejourney", tmp_path)] == times
    transactions.write_bytes(b"cut off")
    fetch("completejourney", tmp_path)
    assert pq.read_metadata(transactions).num_rows == 1_469_307


def test_an_unknown_reference_set_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"reference sets are completejourney.*received cdnow"):
        fetch("cdnow", tmp_path)
