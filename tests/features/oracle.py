"""Every feature a second time, slowly: plain Python over lists of dicts, from the words of the data dictionary.

Nothing here is shared with the engine. Time is compared as instants, not as day numbers; there are no partials, no SQL
and no fixed point. It is meant to be read next to the dictionary, not to be fast.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from itertools import pairwise

PURCHASE_CLOCK = "event_time"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _known(rows, customer, as_of, clock):
    now = _midnight(as_of)
    mine = [row for row in rows if row["customer_id"] == customer]
    return [row for row in mine if row[clock] < now and (row.get("known_at") or row[clock]) < now]


def _days_between(later, earlier) -> int:
    later = later.date() if isinstance(later, datetime) else later
    earlier = earlier.date() if isinstance(earlier, datetime) else earlier
    return (later - earlier).days


def _before(instant, as_of):
    """The instant if it lies before as_of, else None."""
    return instant if instant is not None and instant < _midnight(as_of) else None


def _within(rows, as_of, window, clock):
    if window is None:
        return list(rows)
    return [row for row in rows if row[clock] >= _midnight(as_of) - timedelta(days=window)]


def _ratio(part, whole):
    return part / whole if whole > 0 else None


def _quotient(a, b):
    return None if a is None or b is None else a / b


def _mean(values):
    return sum(values) / len(values) if values else None


def _std(values):
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _suffix(window):
    return "" if window is None else f"_{window}d"


def _half(age, half_life):
    return 0.5 ** (age / half_life)


def _gaps(days):
    ordered = sorted(set(days))
    return [(b - a).days for a, b in pairwise(ordered)]


def _counts(keys):
    counts = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return counts


class _Ladder:
    def __init__(self, windows):
        self.windows = windows
        self.middle = windows[len(windows) // 2]
        self.longest = windows[-1]
        self.all = (*windows, None)
        self.shorter = windows[:-1]
        self.middle_and_ever = (self.middle, None)
        self.middle_and_longest = (self.middle, self.longest)
        self.spread = (windows[0], self.middle, self.longest)


def _is_return(row):
    return row["amount_minor"] < 0 if row.get("is_return") is None else row["is_return"]


def _is_bought(row):
    return not _is_return(row) and row["amount_minor"] > 0


def _purchase_days(rows):
    return sorted({row["event_time"].date() for row in rows if _is_bought(row)})


def purchases(rows, customer, as_of, windows):
    ladder, out = _Ladder(windows), {}
    past = _known(rows, customer, as_of, "event_time")
    days = _purchase_days(past)
    ages = [(as_of - day).days for day in days]
    spend = {}
    for w in ladder.all:
        seen = _within(past, as_of, w, "event_time")
        spend[w] = sum(row["amount_minor"] for row in seen)
        out["spend_minor" + _suffix(w)] = spend[w]
        out["purchase_days" + _suffix(w)] = len(_purchase_days(seen))
    for w in ladder.shorter:
        usual_days = out[f"purchase_days_{ladder.longest}d"] / ladder.longest
        usual_spend = spend[ladder.longest] / ladder.longest
        out[f"purchase_trend_{w}d"] = _ratio(out[f"purchase_days_{w}d"] / w, usual_days)
        out[f"spend_trend_{w}d"] = _ratio(spend[w] / w, usual_spend)
    for h in ladder.spread:
        out[f"purchase_days_decayed_{h}d"] = sum(_half(age, h) for age in ages)
        out[f"spend_decayed_minor_{h}d"] = sum(
            row["amount_minor"] * _half(_days_between(as_of, row["event_time"]), h) for row in past
        )
    repeats = max(len(days) - 1, 0)
    later = sum(row["amount_minor"] for row in past if days and row["event_time"].date() > days[0])
    gaps = _gaps(days)
    since = ages[-1] if ages else None
    out |= {
        "days_since_last_purchase": since,
        "recency_days": ages[0] - ages[-1] if ages else None,
        "T_days": ages[0] if ages else None,
        "frequency": repeats,
        "monetary_value_minor": _ratio(later, repeats),
        "mean_gap_days": _mean(gaps),
        "std_gap_days": _std(gaps),
        "gap_irregularity": _quotient(_std(gaps), _mean(gaps)),
        "max_gap_days": max(gaps, default=None),
        "last_gap_days": gaps[-1] if gaps else None,
        "last_gap_ratio": _quotient(gaps[-1] if gaps else None, _mean(gaps)),
        "gap_overdue_ratio": _quotient(since, _mean(gaps)),
        "gap_record_ratio": _quotient(since, max(gaps, default=None)),
    }
    for w in ladder.middle_and_ever:
        bought = [row for row in _within(past, as_of, w, "event_time") if _is_bought(row)]
        weekend = [row for row in bought if row["event_time"].weekday() >= 5]
        out["weekend_share" + _suffix(w)] = _ratio(len(weekend), len(bought))
    return (
        out | _margin_and_returns(past, as_of, ladder) | _orders(past, as_of, ladder) | _affinity(past, as_of, ladder)
    )


def _margin_and_returns(past, as_of, ladder):
    out = {}
    for w in ladder.middle_and_longest:
        priced = [row for row in _within(past, as_of, w, "event_time") if row.get("margin_minor") is not None]
        margin = sum(row["margin_minor"] for row in priced)
        out[f"gross_margin_minor_{w}d"] = margin
        out[f"margin_share_{w}d"] = _ratio(margin, sum(row["amount_minor"] for row in priced))
    for w in ladder.middle_and_ever:
        seen = _within(past, as_of, w, "event_time")
        returned = -sum(row["amount_minor"] for row in seen if _is_return(row))
        gross = sum(row["amount_minor"] for row in seen if not _is_return(row))
        out["return_count" + _suffix(w)] = sum(1 for row in seen if _is_return(row))
        out["returned_share" + _suffix(w)] = _ratio(returned, gross)
    came_back = [_days_between(as_of, row["event_time"]) for row in past if _is_return(row)]
    return out | {"days_since_last_return": min(came_back, default=None)}


def _order_of(row):
    if row.get("order_id") is not None:
        return ("id", row["order_id"])
    return ("instant", row["event_time"])


def _orders(past, as_of, ladder):
    out, mean_order = {}, {}
    for w in ladder.all:
        bought = [row for row in _within(past, as_of, w, "event_time") if _is_bought(row)]
        orders = {}
        for row in bought:
            orders.setdefault(_order_of(row), []).append(row)
        amounts = [sum(row["amount_minor"] for row in lines) for lines in orders.values()]
        out["order_count" + _suffix(w)] = len(orders)
        mean_order[w] = _mean(amounts)
        if w in ladder.middle_and_ever:
            pieces = [sum(row["quantity"] or 0 for row in lines) for lines in orders.values()]
            out["mean_order_minor" + _suffix(w)] = mean_order[w]
            out["mean_order_lines" + _suffix(w)] = _mean([len(lines) for lines in orders.values()])
            out["mean_order_quantity" + _suffix(w)] = _mean(pieces)
        if w is None:
            out["max_order_minor"] = max(amounts, default=None)
    m = ladder.middle
    out[f"order_amount_trend_{m}d"] = _quotient(mean_order[m], mean_order[ladder.longest])
    return out


def _top(counts):
    return max(counts, key=lambda key: (counts[key], key)) if counts else None


def _affinity(past, as_of, ladder):
    out = {}

    def lines_by(column, w):
        seen = _within(past, as_of, w, "event_time")
        return _counts(row[column] for row in seen if _is_bought(row) and row.get(column) is not None)

    for w in ladder.middle_and_longest:
        categories, total = lines_by("category", w), sum(lines_by("category", w).values())
        shares = [n / total for n in categories.values()]
        out[f"category_count_{w}d"] = len(categories)
        out[f"category_entropy_{w}d"] = -sum(share * math.log(share) for share in shares) if shares else None
        out[f"category_top_share_{w}d"] = max(shares, default=None)
        products = lines_by("product_id", w)
        out[f"product_count_{w}d"] = len(products)
        lines = sum(products.values())
        out[f"product_repeat_share_{w}d"] = _ratio(lines - len(products), lines)
    out[f"category_top_{ladder.longest}d"] = _top(lines_by("category", ladder.longest))
    for w in ladder.middle_and_ever:
        channels = lines_by("channel", w)
        out["channel_count" + _suffix(w)] = len(channels)
        out["channel_top_share" + _suffix(w)] = _ratio(max(channels.values(), default=0), sum(channels.values()))
    return out | {"channel_top": _top(lines_by("channel", None))}


def visits(rows, customer, as_of, windows):
    ladder, out = _Ladder(windows), {}
    past = _known(rows, customer, as_of, "event_time")
    ages = sorted(_days_between(as_of, row["event_time"]) for row in past)
    gaps = _gaps(row["event_time"].date() for row in past)
    carts = [_days_between(as_of, row["event_time"]) for row in past if row["kind"] == "cart"]
    for w in ladder.all:
        seen = _within(past, as_of, w, "event_time")
        out["visit_count" + _suffix(w)] = len(seen)
        out["visit_days" + _suffix(w)] = len({row["event_time"].date() for row in seen})
    for w in ladder.shorter:
        usual = out[f"visit_count_{ladder.longest}d"] / ladder.longest
        out[f"visit_trend_{w}d"] = _ratio(out[f"visit_count_{w}d"] / w, usual)
    for h in ladder.spread:
        out[f"visits_decayed_{h}d"] = sum(_half(age, h) for age in ages)
    for w in ladder.windows:
        seen = _within(past, as_of, w, "event_time")
        sessions = [row["session_id"] for row in seen if row.get("session_id") is not None]
        out[f"session_count_{w}d"] = len(set(sessions))
        if w in ladder.middle_and_longest:
            out |= _visit_shares(seen, w)
            out[f"visits_per_session_{w}d"] = _ratio(len(sessions), len(set(sessions)))
    items = [row["item"] for row in _within(past, as_of, ladder.middle, "event_time") if row.get("item") is not None]
    out[f"item_repeat_share_{ladder.middle}d"] = _ratio(len(items) - len(set(items)), len(items))
    return out | {
        "days_since_last_visit": min(ages, default=None),
        "days_since_first_visit": max(ages, default=None),
        "visit_mean_gap_days": _mean(gaps),
        "visit_overdue_ratio": _quotient(min(ages, default=None), _mean(gaps)),
        "days_since_last_cart": min(carts, default=None),
    }


def _visit_shares(seen, w):
    timed = [row["duration_s"] for row in seen if row.get("duration_s") is not None]

    def share(*kinds):
        return _ratio(sum(1 for row in seen if row["kind"] in kinds), len(seen))

    return {
        f"dwell_s_{w}d": sum(timed),
        f"mean_dwell_s_{w}d": _mean(timed),
        f"item_count_{w}d": len({row["item"] for row in seen if row.get("item") is not None}),
        f"visit_category_count_{w}d": len({row["category"] for row in seen if row.get("category") is not None}),
        f"cart_share_{w}d": share("cart"),
        f"search_share_{w}d": share("search"),
        f"engagement_share_{w}d": share("share", "like", "comment"),
    }


def _last_day(rows, clock):
    """Rows of the newest day among them."""
    newest = max((row[clock].date() for row in rows), default=None)
    return [row for row in rows if row[clock].date() == newest]


def feedback(rows, customer, as_of, windows):
    ladder, out = _Ladder(windows), {}
    past = _known(rows, customer, as_of, "event_time")
    scored = [row for row in past if row.get("satisfaction") is not None]
    asked = [row for row in past if row["kind"] in ("csat", "nps", "review") or row.get("satisfaction") is not None]
    complaints = [row for row in past if row["kind"] == "complaint"]
    age = lambda row: _days_between(as_of, row["event_time"])  # noqa: E731
    for w in ladder.middle_and_ever:
        answers = [row["satisfaction"] for row in _within(scored, as_of, w, "event_time")]
        out["satisfaction_mean" + _suffix(w)] = _mean(answers)
        out["satisfaction_min" + _suffix(w)] = min(answers, default=None)
        out["score_count" + _suffix(w)] = len(answers)
        tickets = [row for row in past if row["kind"] == "ticket"]
        out["ticket_count" + _suffix(w)] = len(_within(tickets, as_of, w, "event_time"))
    recent = _within(scored, as_of, ladder.middle, "event_time")
    older = [row["satisfaction"] for row in scored if row not in recent]
    now, then = _mean([row["satisfaction"] for row in recent]), _mean(older)
    out[f"satisfaction_change_{ladder.middle}d"] = None if now is None or then is None else now - then
    last = _mean([row["satisfaction"] for row in _last_day(scored, "event_time")])
    weights = [_half(age(row), ladder.middle) for row in scored]
    level = sum(weight * row["satisfaction"] for weight, row in zip(weights, scored, strict=True))
    for w in ladder.windows:
        silent = [row for row in _within(asked, as_of, w, "event_time") if row.get("satisfaction") is None]
        out["unanswered_count" + _suffix(w)] = len(silent)
    for w in ladder.all:
        out["complaint_count" + _suffix(w)] = len(_within(complaints, as_of, w, "event_time"))
    for h in ladder.spread:
        out[f"complaints_decayed_{h}d"] = sum(_half(age(row), h) for row in complaints)
    return (
        out
        | {
            "satisfaction_level": _ratio(level, sum(weights)),
            "satisfaction_last": last,
            "satisfaction_last_change": None if last is None else last - out["satisfaction_mean"],
            "nps_class_last": _nps_class(scored),
            "days_since_last_score": min((age(row) for row in scored), default=None),
            "response_share": _ratio(len(scored), len(asked)),
            "never_asked": int(not asked),
            "days_since_last_complaint": min((age(row) for row in complaints), default=None),
        }
        | _cases(past, as_of, ladder)
    )


def _nps_class(scored):
    last = _mean([row["satisfaction"] for row in _last_day([r for r in scored if r["kind"] == "nps"], "event_time")])
    if last is None:
        return None
    points = round(last * 10, 9)
    return 1 if points >= 9 else 0 if points >= 7 else -1


def _cases(past, as_of, ladder):
    cases = [row for row in past if row["kind"] in ("complaint", "ticket")]
    is_open = lambda row: _before(row.get("resolved_at"), as_of) is None  # noqa: E731
    took = lambda row: _days_between(row["resolved_at"], row["event_time"])  # noqa: E731
    closed = [row for row in cases if not is_open(row)]
    waiting = [_days_between(as_of, row["event_time"]) for row in cases if is_open(row)]
    out = {
        "open_tickets": len(waiting),
        "oldest_open_days": max(waiting, default=None),
        "resolution_days_max": max((took(row) for row in closed), default=None),
    }
    for w in ladder.middle_and_ever:
        out["resolution_days_mean" + _suffix(w)] = _mean([took(row) for row in _within(closed, as_of, w, "event_time")])
    return out


def signs(tables, customer, as_of):
    """Over the three tables in which customers do something."""
    known = {
        name: _known(tables.get(name, []), customer, as_of, "event_time")
        for name in ("purchases", "visits", "feedback")
    }
    opinions = known["feedback"]
    silent = [row for row in opinions if row["kind"] in ("csat", "nps", "review") and row.get("satisfaction") is None]
    days = {row["event_time"].date() for row in [*known["visits"], *(row for row in opinions if row not in silent)]}
    days |= set(_purchase_days(known["purchases"]))
    since = min((_days_between(as_of, day) for day in days), default=None)
    return {
        "days_since_last_sign": since,
        "sign_days": len(days),
        "sign_overdue_ratio": _quotient(since, _mean(_gaps(days))),
        "unanswered_since_sign": sum(1 for row in silent if not days or row["event_time"].date() > max(days)),
    }


def payments(rows, customer, as_of, windows):
    ladder, out = _Ladder(windows), {}
    past = _known(rows, customer, as_of, "due_at")

    def paid(row):
        return _before(row.get("paid_at"), as_of)

    def late(row):
        return max(0, _days_between(paid(row) or as_of, row["due_at"]))

    def disputed(row):
        if row.get("disputed_at") is not None:
            return row["disputed_at"] < _midnight(as_of)
        return bool(row.get("disputed"))

    for w in ladder.middle_and_ever:
        due = _within(past, as_of, w, "due_at")
        early = [row for row in due if paid(row) and paid(row).date() < row["due_at"].date()]
        out["due_count" + _suffix(w)] = len(due)
        out["due_amount_minor" + _suffix(w)] = sum(row["amount_minor"] for row in due)
        out["days_late_mean" + _suffix(w)] = _mean([late(row) for row in due])
        out["days_late_max" + _suffix(w)] = max((late(row) for row in due), default=None)
        out["late_share" + _suffix(w)] = _ratio(sum(1 for row in due if late(row) > 0), len(due))
        out["paid_early_share" + _suffix(w)] = _ratio(len(early), len(due))
        out["overdue_share" + _suffix(w)] = _ratio(sum(1 for row in due if paid(row) is None), len(due))
        out["dispute_count" + _suffix(w)] = sum(1 for row in due if disputed(row))
    overdue = [row for row in past if paid(row) is None]
    recent = _within(past, as_of, ladder.middle, "due_at")
    older = [row for row in past if row["due_at"] < _midnight(as_of) - timedelta(days=ladder.middle)]
    for name, measure in (("days_late_change", late), ("late_share_change", lambda row: int(late(row) > 0))):
        now, then = _mean([measure(row) for row in recent]), _mean([measure(row) for row in older])
        out[f"{name}_{ladder.middle}d"] = None if now is None or then is None else now - then
    return out | {
        "days_late_last": _mean([late(row) for row in _last_day(past, "due_at")]),
        "overdue_count": len(overdue),
        "overdue_amount_minor": sum(row["amount_minor"] for row in overdue),
        "oldest_overdue_days": max((_days_between(as_of, row["due_at"]) for row in overdue), default=None),
        "dispute_share": _ratio(sum(1 for row in past if disputed(row)), len(past)),
    }


def contracts(rows, customer, as_of, windows):
    past = _known(rows, customer, as_of, "started_at")
    running = [row for row in past if _before(row.get("ended_at"), as_of) is None]
    ended = [row for row in past if _before(row.get("ended_at"), as_of) is not None]
    prices = [row["price_minor"] for row in running if row.get("price_minor") is not None]
    newest = _last_day(running, "started_at")
    plans = sorted(row.get("plan") or "" for row in newest)
    return {
        "contract_active": int(bool(running)),
        "contract_active_count": len(running),
        "contract_count": len(past),
        "contract_age_days": min((_days_between(as_of, row["started_at"]) for row in running), default=None),
        "contract_tenure_days": max((_days_between(as_of, row["started_at"]) for row in past), default=None),
        "days_since_contract_end": min((_days_between(as_of, row["ended_at"]) for row in ended), default=None),
        "contract_price_minor": sum(prices) if prices else None,
        "contract_plan": (plans[-1] or None) if plans else None,
    }


def _newest(rows, customer, clock, accepted):
    """The newest accepted row; undated rows are older than any dated one."""
    mine = [row for row in rows if row["customer_id"] == customer and (row.get(clock) is None or accepted(row[clock]))]
    dated = [row for row in mine if row.get(clock) is not None]
    if dated:
        return max(dated, key=lambda row: row[clock])
    return mine[-1] if mine else {}


def profile(customers, snapshots, customer, as_of, attributes):
    row = _newest(customers, customer, "valid_from", lambda instant: instant < _midnight(as_of))
    described = _newest(snapshots, customer, "as_of", lambda day: day <= as_of)
    signed_up = _before(row.get("signup_at"), as_of)
    out = {
        "tenure_days": None if signed_up is None else _days_between(as_of, signed_up),
        "age_years": None if row.get("birth_year") is None else as_of.year - row["birth_year"],
    }
    for column in attributes:
        if column == "balance":
            out["attr_balance"] = described.get("balance")
        elif column != "birth_year":
            out[f"attr_{column}"] = row.get(column)
    return out


def every_feature(tables, customer, as_of, windows, attributes):
    out = {}
    for family in (purchases, visits, feedback, payments, contracts):
        out |= family(tables.get(family.__name__, []), customer, as_of, windows)
    out |= signs(tables, customer, as_of)
    return out | profile(tables.get("customers", []), tables.get("snapshots", []), customer, as_of, attributes)
