"""Features of what is bought and where: categories, products and channels."""

from __future__ import annotations

import ibis.expr.types as ir

from churn_value.features.declare import feature, longest, middle_and_ever, middle_and_longest
from churn_value.features.grain import Grain, Measure
from churn_value.features.past import Past
from churn_value.features.purchases import bought_lines, is_bought

CATEGORY = Grain(
    "purchases",
    "category",
    shape="keys",
    key={"category": lambda line: line.category},
    before={"lines": Measure(bought_lines)},
    kept=lambda line: line.category.notnull() & is_bought(line),
    requires=frozenset({"category"}),
)
PRODUCT = Grain(
    "purchases",
    "product",
    shape="keys",
    key={"product_id": lambda line: line.product_id},
    before={"lines": Measure(bought_lines)},
    kept=lambda line: line.product_id.notnull() & is_bought(line),
    requires=frozenset({"product_id"}),
)
CHANNEL = Grain(
    "purchases",
    "channel",
    shape="keys",
    key={"channel": lambda line: line.channel},
    before={"lines": Measure(bought_lines)},
    kept=lambda line: line.channel.notnull() & is_bought(line),
    requires=frozenset({"channel"}),
)


@feature(
    CATEGORY,
    windows=middle_and_longest,
    empty=0,
    unit="categories",
    group="CATEGORY_BREADTH",
    en="Different categories bought {window}",
    zh="{window}购买品类数",
)
def category_count(past: Past) -> ir.Scalar:
    """Distinct categories."""
    return past.count(past.lines > 0)


@feature(
    CATEGORY,
    windows=middle_and_longest,
    unit="nats",
    group="CATEGORY_BREADTH",
    en="How evenly purchases spread over categories {window} (entropy)",
    zh="{window}品类分布熵",
)
def category_entropy(past: Past) -> ir.Scalar:
    """Shannon entropy of the categories' shares of lines."""
    return past.entropy(past.lines)


@feature(
    CATEGORY,
    windows=middle_and_longest,
    unit="share",
    group="CATEGORY_FOCUS",
    en="Share of the favourite category {window}",
    zh="{window}最常购品类占比",
)
def category_top_share(past: Past) -> ir.Scalar:
    """Lines of the most bought category over all lines with a category."""
    return past.top_share(past.lines)


@feature(
    CATEGORY,
    windows=longest,
    dtype="category",
    unit="category",
    group="CATEGORY_FOCUS",
    en="Favourite category {window}",
    zh="{window}最常购品类",
)
def category_top(past: Past) -> ir.Scalar:
    """Category with the most lines."""
    return past.top(past.category, past.lines)


@feature(
    PRODUCT,
    windows=middle_and_longest,
    empty=0,
    unit="products",
    group="CATEGORY_BREADTH",
    en="Different products bought {window}",
    zh="{window}购买商品种数",
)
def product_count(past: Past) -> ir.Scalar:
    """Distinct products."""
    return past.count(past.lines > 0)


@feature(
    PRODUCT,
    windows=middle_and_longest,
    unit="share",
    group="CATEGORY_FOCUS",
    en="Share of lines that repeat a product {window}",
    zh="{window}重复购买同一商品占比",
)
def product_repeat_share(past: Past) -> ir.Scalar:
    """One minus distinct products over lines: 0 when nothing is bought twice."""
    lines = past.sum(past.lines)
    return (lines - past.count(past.lines > 0)) / lines.nullif(0)


@feature(
    CHANNEL,
    windows=middle_and_ever,
    empty=0,
    unit="channels",
    group="CHANNEL",
    en="Different channels bought through {window}",
    zh="{window}购买渠道数",
)
def channel_count(past: Past) -> ir.Scalar:
    """Distinct channels."""
    return past.count(past.lines > 0)


@feature(
    CHANNEL,
    windows=middle_and_ever,
    unit="share",
    group="CHANNEL",
    en="Share of the main channel {window}",
    zh="{window}主渠道占比",
)
def channel_top_share(past: Past) -> ir.Scalar:
    """Lines of the most used channel over all lines with a channel."""
    return past.top_share(past.lines)


@feature(CHANNEL, dtype="category", unit="category", group="CHANNEL", en="Main channel so far", zh="历史主渠道")
def channel_top(past: Past) -> ir.Scalar:
    """Channel with the most lines."""
    return past.top(past.channel, past.lines)
