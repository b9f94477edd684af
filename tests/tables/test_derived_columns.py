"""The small language of derived columns: what it says, and all it refuses to say."""

import ibis
import pytest

from churn_value.errors import ConfigError
from churn_value.tables.derived import compiled, names_in

ROW = {
    "Quantity": 6,
    "UnitPrice": 2.55,
    "Unit Price": 3.0,
    "text": "4",
    "word": "Yes",
    "flag": True,
    "nothing": None,
    "金额": 7.5,
    "order-total": 10,
}
TYPES = {
    "Quantity": "int32",
    "UnitPrice": "float64",
    "Unit Price": "float64",
    "text": "string",
    "word": "string",
    "flag": "boolean",
    "nothing": "float64",
    "金额": "float64",
    "order-total": "int64",
}


def value(text):
    table = ibis.memtable([ROW], schema=TYPES)
    expression = compiled(text, {name: table[name] for name in table.columns}, "shop.yaml: derived.amount")
    return table.select(x=expression).to_pyarrow()["x"][0].as_py()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Quantity * UnitPrice", pytest.approx(15.3)),
        ("Quantity", 6),
        ("-Quantity + 1.5", -4.5),
        ("(Quantity - 2) / 8", 0.5),
        ("`Unit Price` * Quantity", 18.0),
        ("`order-total` - `Unit Price`", 7.0),
        ("金额 * 2", 15.0),
        ("text * 2", 8.0),
        ("word * 2", None),
        ("nothing * 2", None),
        ("Quantity < 0", False),
        ("text > 3", True),
        ("word == 'Yes'", True),
        ('word != "Yes"', False),
        ("word == '`Unit Price`'", False),
        ("flag", True),
        ("not flag or Quantity >= 6 and UnitPrice <= 2.55", True),
        ("nothing < 1", None),
        ("Quantity / 0", float("inf")),
    ],
)
def test_expressions_mean_what_arithmetic_says(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "part", "position"),
    [
        ("Quantity ** 2", "Quantity ** 2", 1),
        ("1 + abs(Quantity)", "abs(Quantity)", 5),
        ("Quantity % 2", "Quantity % 2", 1),
        ("__import__('os').system('true')", "__import__('os').system('true')", 1),
        ("Quantity.real", "Quantity.real", 1),
        ("[Quantity]", "[Quantity]", 1),
        ("lambda: 1", "lambda: 1", 1),
        ("0 < Quantity < 5", "0 < Quantity < 5", 1),
        ("Quantity if flag else 1", "Quantity if flag else 1", 1),
        ("Quantity + Qantity", "Qantity", 12),
        ("金额 + missing", "missing", 6),
        ("`Unit Price` + `Unit Cost`", "`Unit Cost`", 16),
        ("Quantity + 'a'", "'a'", 12),
        ("Quantity == 'a'", "Quantity == 'a'", 1),
        ("flag + 1", "flag", 1),
        ("Quantity and flag", "Quantity", 1),
        ("flag == 'true'", "flag == 'true'", 1),
        ("b'bytes'", "b'bytes'", 1),
        ("None", "None", 1),
    ],
)
def test_anything_else_is_refused_with_its_place(text, part, position):
    with pytest.raises(ConfigError) as caught:
        value(text)
    assert caught.value.code == "BAD_EXPRESSION"
    assert caught.value.received == f"{part} at character {position}"
    assert caught.value.where == "shop.yaml: derived.amount"
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "Quantity *", "a = 1", "(" * 400, "Quantity\n+ 1; 2", "1" + "+1" * 600])
def test_what_is_not_an_expression_is_refused(text):
    with pytest.raises(ConfigError, match=r"shop\.yaml: derived\.amount"):
        value(text)


def test_the_columns_an_expression_reads_are_told():
    assert names_in("Quantity * `Unit Price` < 0 or word == 'flag'") == {"Quantity", "Unit Price", "word"}
