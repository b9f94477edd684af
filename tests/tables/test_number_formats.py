"""Numbers that are not written as in 1234.56 are read as the configuration says, exactly, and never guessed."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from dirty_files import load_text, rows_of
from hypothesis import given
from hypothesis import strategies as st

from churn_value.errors import ChurnValueError

HEAD = "customer_id,event_time,amount\n"
READ = [
    # format, text, minor units
    ("1.234,56", "1.234,56", 123456),
    ("1.234,56", "1.234.567,5", 123456750),
    ("1.234,56", "1234,56", 123456),
    ("1.234,56", "1.234", 123400),
    ("1.234,56", "-12,5", -1250),
    ("1.234,56", "12,50-", -1250),
    ("1.234,56", "(12,50)", -1250),
    ("1.234,56", "\u221212,50", -1250),
    ("1.234,56", " 0 ", 0),
    ("1.234,56", ",5", 50),
    ("1.234,56", "5,", 500),
    ("1 234,56", "1 234,56", 123456),
    ("1 234,56", "1\u00a0234\u202f567,50", 123456750),
    ("1'234.56", "1'234.05", 123405),
    ("1,234.56", "1,234.56", 123456),
    ("1,234", "1,234", 123400),
    ("1234,56", "1234,56", 123456),
    ("$1,234.56", "$1,234.56", 123456),
    ("$1,234.56", "-$12", -1200),
    ("$1,234.56", "$-12", -1200),
    ("$1,234.56", "($ 12.00)", -1200),
    ("$1,234.56", "0.00", 0),
    ("R$ 1.234,56", "R$ 7,25", 725),
    ("1.234,56 €", "7,25€", 725),
    ("CHF 1'234.56", "CHF 1'234.50", 123450),
    ("￥1234", "￥98", 9800),
    ("1,234.56元", "1,000元", 100000),
]
NOT_READ = [
    ("1.234,56", "12.5"),  # a number where no format is given
    ("1.234,56", "1.2345,6"),
    ("1.234,56", "1.23.456,7"),
    ("1.234,56", "12,5,6"),
    ("1.234,56", "-(5)"),
    ("1.234,56", "-5-"),
    ("1.234,56", "(5"),
    ("1.234,56", "5)"),
    ("1.234,56", "€5"),
    ("1.234,56", ","),
    ("1.234,56", "--"),
    ("$1,234.56", "€5.00"),
    ("$1,234.56", "$"),
    ("1,234", "12.5"),
    ("1234,56", "1.234,56"),
    ("1234", "1e3"),
]


def load(folder, rows, formats, **settings):
    return load_text(folder, {"purchases": HEAD + rows}, {"purchases": {"number_formats": formats}}, **settings)


@pytest.mark.parametrize(("written", "text", "minor"), READ)
def test_a_number_is_read_as_it_is_said_to_be_written(tmp_path, written, text, minor):
    tables = load(tmp_path, f'a,2024-05-01,"{text}"\n', {"amount": written})
    assert rows_of(tables, "purchases", "amount_minor") == [(minor,)]


@pytest.mark.parametrize(("written", "text"), NOT_READ)
def test_what_the_format_does_not_read_is_bad_even_where_it_looks_like_a_number(tmp_path, written, text):
    rows = f'a,2024-05-01,"{text}"\nb,2024-05-01,7\n'
    tables = load(tmp_path, rows, {"amount": written}, quarantine_dir=tmp_path / "quarantine")
    assert rows_of(tables, "purchases", "customer_id", "amount_minor") == [("b", 700)]
    assert dict(tables.reports["purchases"].quarantined) == {"BAD_AMOUNT": 1}
    assert text in pd.read_parquet(tmp_path / "quarantine" / "purchases.parquet")["raw"].item()


def test_the_quarantine_says_why_a_plain_number_is_none(tmp_path):
    rows = "a,2024-05-01,12.5\nb,2024-05-01,7\n"
    load(tmp_path, rows, {"amount": "1.234,56"}, quarantine_dir=tmp_path / "quarantine")
    raw = pd.read_parquet(tmp_path / "quarantine" / "purchases.parquet")["raw"].item()
    assert "12.5 is not written as 1.234,56" in raw


def test_quantities_derived_amounts_and_attributes_are_read_by_it_too(tmp_path):
    lines = 'customer_id,event_time,price,quantity\na,2024-05-01,"1.234,50","2,0"\n'
    people = 'customer_id,income\na,"45.000,5"\nb,"1.000"\n'
    settings = {
        "purchases": {
            "derived": {"amount": "price * quantity"},
            "number_formats": {"price": "1.234,56", "quantity": "1.234,56"},
        },
        "customers": {"number_formats": {"income": "1.234,56"}},
    }
    tables = load_text(tmp_path, {"purchases": lines, "customers": people}, settings)
    assert rows_of(tables, "purchases", "amount_minor", "quantity") == [(246900, 2.0)]
    assert rows_of(tables, "customers", "customer_id", "income") == [("a", 45000.5), ("b", 1000.0)]


@pytest.mark.parametrize("written", ["", "1.234.56", "12,34", "1234.567", "1.234,57", "#.##0,00", "1a234,56"])
def test_a_format_that_is_not_the_example_is_refused(tmp_path, written):
    with pytest.raises(
        ChurnValueError, match=r"purchases\.number_formats\.amount.*must be 1234\.56, or 1234"
    ) as caught:
        load(tmp_path, "a,2024-05-01,1\n", {"amount": written})
    assert caught.value.code == "NUMBER_FORMAT"


def test_a_format_of_a_column_that_is_not_there_or_holds_numbers_is_refused(tmp_path):
    with pytest.raises(ChurnValueError, match=r"number_formats.*received amuont.*did you mean amount\?"):
        load(tmp_path, "a,2024-05-01,1\n", {"amuont": "1.234,56"})
    frame = pd.DataFrame({"customer_id": ["a"], "event_time": [pd.Timestamp("2024-05-01")], "amount": [1.0]})
    frame.to_parquet(tmp_path / "lines.parquet")
    settings = {"path": "lines.parquet", "number_formats": {"amount": "1.234,56"}}
    with pytest.raises(ChurnValueError, match=r"number_formats are for texts; received type float64"):
        load_text(tmp_path, {"purchases": ""}, {"purchases": settings})


def ten(text):
    return "".join(f'c{number},2024-05-01,"{text.format(number)}"\n' for number in range(1, 11))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ten("1.23{0},5{0}").replace("10", "0"), "amount: '1.234,56'}, which reads every one"),
        (ten("{},5"), "amount: '1.234,56' or '1 234,56'}, which reads every one"),
        (ten("${}.50"), "amount: '$1,234.56' or "),
        (ten("R$ {},5"), "amount: 'R$1.234,56' or 'R$1 234,56'}, which reads"),
        (ten("{} 元"), "元'"),
        (ten("about {}"), "amount: <how they are written, as in '1.234,56'>}; or write numbers with a decimal point"),
    ],
)
def test_the_refusal_of_a_column_says_what_would_read_it(tmp_path, rows, said):
    with pytest.raises(ChurnValueError) as caught:
        load(tmp_path, rows, {})
    assert caught.value.code == "COLUMN_TYPE"
    assert said in str(caught.value)


def test_a_few_large_amounts_with_separators_are_not_set_aside_one_by_one(tmp_path):
    rows = ten("{}.50").replace('"9.50"', '"1,009.50"')
    with pytest.raises(ChurnValueError, match=r"received 1 of 10 .*amount: '1,234\.56'\}, which reads every") as caught:
        load(tmp_path, rows, {})
    assert caught.value.code == "COLUMN_TYPE"
    assert load(tmp_path, rows, {"amount": "1,234.56"}).reports["purchases"].accepted == 10
    assert load(tmp_path, rows.replace("1,009.50", "1,09.50"), {}).reports["purchases"].accepted == 9


MINOR = st.integers(-(10**14), 10**14) | st.sampled_from([0, 1, -1, 99, 100, 99999, 100000, -100000])


@given(
    minor=MINOR,
    marks=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", ","), ("\u2009", "·"), ("|", "^")]),
    before=st.sampled_from(["", "$", "R$", "CHF ", "*", "[x]", "元"]),
    after=st.sampled_from(["", " €", "元", " *", " kr.", "\\"]),
)
def test_reading_undoes_writing(minor, marks, before, after):
    group, point = marks
    whole, cents = divmod(abs(minor), 100)
    digits = f"{whole:,}".replace(",", group)
    text = f"{'-' if minor < 0 else ''}{before}{digits}{point}{cents:02}{after}"
    with TemporaryDirectory() as folder:
        tables = load(Path(folder), f'a,2024-05-01,"{text}"\n', {"amount": f"{before}1{group}234{point}56{after}"})
        assert rows_of(tables, "purchases", "amount_minor") == [(minor,)]
