"""Why a row is set aside: stable codes, in the order they are tried; a row gets the first that applies."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "BROKEN_ROW": (
            "the line of the CSV does not have the header's columns, or that of JSON Lines is no object",
            "CSV 行与表头列数不符，或 JSON Lines 的一行不是对象",
        ),
        "MISSING_ID": ("customer_id is null or empty", "缺少客户编号"),
        "BAD_ID": ("an id holds a NUL character, or a float too large to be exact", "编号含空字符或浮点数过大"),
        "MISSING_TIME": ("a required time is null", "缺少必需的时间"),
        "BAD_TIME": ("a time cannot be read, or is outside 1900-2199", "时间无法识别或不在 1900–2199 年"),
        "BAD_AMOUNT": (
            "an amount is null, unreadable, not finite or above 1e15 minor units",
            "金额缺失、无法识别或过大",
        ),
        "BAD_NUMBER": ("a number cannot be read or is not finite", "数值无法识别"),
        "BAD_FLAG": ("a flag is neither true nor false", "布尔值无法识别"),
        "BAD_LABEL": ("the label is neither 0 nor 1", "标签不是 0 或 1"),
        "UNKNOWN_KIND": ("kind is missing or not in the contract's list", "类型缺失或不在列表中"),
        "BAD_SCALE": ("a score has no scale, or scale_max is not above scale_min", "量表缺失或上下限无效"),
        "BAD_SCORE": ("score is outside its scale", "评分超出量表"),
        "EVENT_IN_FUTURE": ("a stamp is later than the moment of loading", "时间晚于载入时刻"),
        "ENDS_BEFORE_START": ("ended_at is before started_at", "结束早于开始"),
        "RESOLVED_BEFORE_OPENED": ("resolved_at is before event_time", "解决早于提出"),
        "DUPLICATE": ("the row repeats another", "重复行"),
        "CONFLICTING": ("rows with the same key say different things", "同一键值的行相互矛盾"),
    }
)
"""Meaning of each quarantine reason in English and Chinese."""
