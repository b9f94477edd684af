# ruff: noqa: E501 - tables are read across
"""Hand-worked examples: rows of one customer, and what each feature must be as of 2025-07-01 with windows 7, 28 and 90.

The windows begin at 2025-06-24, 2025-06-03 and 2025-04-02, midnight. The values were worked out by hand from the words of
the data dictionary. A blank value means null.
"""

SPECS: dict[str, tuple[str, str | dict[str, str], str]] = {}

SPECS["purchases at every edge"] = (
    "purchases",
    """
event_time                 | known_at   | amount_minor | is_return | order_id | product_id | category | channel | quantity | margin_minor
2025-04-01 23:59:59.999999 |            | 1000         | no        | o1       | p1         | food     | web     | 1        | 400
2025-04-02 00:00:00        |            | 2000         | no        | o2       | p1         | food     | store   | 2        |
2025-06-02 23:59:59.999999 |            | 3000         | no        | o3       | p2         | toys     | web     | 1        |
2025-06-03 00:00:00        |            | 4000         | no        | o4       | p3         | toys     | web     | 1        | 1000
2025-06-23 23:59:59.999999 |            | 5000         | no        | o5       | p1         | food     | web     | 1        |
2025-06-24 00:00:00        |            | 6000         | no        | o6       | p1         | food     | web     | 3        |
2025-06-25 10:00:00        |            | -500         | yes       | o4       | p3         | toys     | web     | -1       |
2025-06-30 23:59:59.999999 |            | 6500         | no        | o7       | p4         | books    | web     | 1        | 500
2025-06-30 23:59:59.999999 |            | 500          | no        | o7       | p2         | toys     | web     | 1        |
2025-07-01 00:00:00        |            | 8000         | no        | o8       | p9         | pets     | app     | 9        | 900
2025-06-29 09:00:00        | 2025-07-01 | 9000         | no        | o9       | p9         | pets     | app     | 9        | 900
2025-07-01 00:00:00        | 2025-06-01 | 9500         | no        | o10      | p9         | pets     | app     | 9        | 900
""",
    """
spend_minor_7d            | 12500
spend_minor_28d           | 21500
spend_minor_90d           | 26500
spend_minor               | 27500
purchase_days_7d          | 2
purchase_days_28d         | 4
purchase_days_90d         | 6
purchase_days             | 7
order_count_7d            | 2
order_count_28d           | 4
order_count_90d           | 6
order_count               | 7
frequency                 | 6
T_days                    | 91
recency_days              | 90
days_since_last_purchase  | 1
monetary_value_minor      | 4416.666666667
mean_gap_days             | 15
std_gap_days              | 23.706539182
gap_irregularity          | 1.580435945
max_gap_days              | 61
last_gap_days             | 6
last_gap_ratio            | 0.4
gap_overdue_ratio         | 0.066666667
gap_record_ratio          | 0.016393443
purchase_trend_7d         | 4.285714286
purchase_trend_28d        | 2.142857143
spend_trend_7d            | 6.064690027
spend_trend_28d           | 2.607816712
weekend_share             | 0
mean_order_minor_28d      | 5500
mean_order_minor          | 4000
max_order_minor           | 7000
mean_order_lines_28d      | 1.25
mean_order_lines          | 1.142857143
mean_order_quantity_28d   | 1.75
mean_order_quantity       | 1.571428571
order_amount_trend_28d    | 1.222222222
category_count_28d        | 3
category_count_90d        | 3
category_entropy_28d      | 1.054920168
category_entropy_90d      | 1.004242473
category_top_share_28d    | 0.4
category_top_share_90d    | 0.428571429
category_top_90d          | toys
product_count_28d         | 4
product_count_90d         | 4
product_repeat_share_28d  | 0.2
product_repeat_share_90d  | 0.428571429
channel_count_28d         | 1
channel_count             | 2
channel_top_share_28d     | 1
channel_top_share         | 0.875
channel_top               | web
return_count_28d          | 1
return_count              | 1
returned_share_28d        | 0.022727273
returned_share            | 0.017857143
days_since_last_return    | 6
gross_margin_minor_28d    | 1500
gross_margin_minor_90d    | 1500
margin_share_28d          | 0.142857143
margin_share_90d          | 0.142857143
""",
)

SPECS["a purchase loses half its weight per half-life"] = (
    "purchases",
    """
event_time          | amount_minor | is_return
2025-06-24 12:00:00 | 1000000      | no
2025-06-17 12:00:00 | 4000000      | no
""",
    """
purchase_days_decayed_7d  | 0.75
spend_decayed_minor_7d    | 1500000
purchase_days_decayed_28d | 1.548003196
spend_decayed_minor_28d   | 3669323.540
""",
)

SPECS["saturday begins at midnight and sunday ends there"] = (
    "purchases",
    """
event_time                 | amount_minor | is_return
2025-06-27 23:59:59.999999 | 100          | no
2025-06-28 00:00:00        | 100          | no
2025-06-29 23:59:59.999999 | 100          | no
2025-06-30 00:00:00        | 100          | no
""",
    """
weekend_share_28d | 0.5
weekend_share     | 0.5
""",
)

SPECS["a refund known at as_of does not reduce spend"] = (
    "purchases",
    """
event_time          | known_at            | amount_minor | is_return
2025-06-10 12:00:00 |                     | 9000         | no
2025-06-10 12:00:00 | 2025-07-01 00:00:00 | -9000        | yes
2025-06-10 12:00:00 | 2025-06-30 23:59:59 | -100         | yes
""",
    """
spend_minor        | 8900
returned_share     | 0.011111111
return_count       | 1
""",
)

SPECS["lines without an order id make one order per instant"] = (
    "purchases",
    """
event_time          | amount_minor | is_return | order_id
2025-06-10 12:00:00 | 100          | no        |
2025-06-10 12:00:00 | 200          | no        |
2025-06-10 12:00:01 | 400          | no        |
2025-06-11 12:00:00 | 800          | no        | o1
2025-06-12 12:00:00 | 1600         | no        | o1
""",
    """
order_count      | 3
purchase_days    | 3
max_order_minor  | 2400
mean_order_lines | 1.666666667
""",
)

SPECS["a free line is no purchase and a return is none either"] = (
    "purchases",
    """
event_time          | amount_minor | is_return
2025-06-10 12:00:00 | 0            | no
2025-06-11 12:00:00 | -300         | yes
2025-06-12 12:00:00 | -200         |
""",
    """
spend_minor              | -500
purchase_days            | 0
order_count              | 0
frequency                | 0
monetary_value_minor     |
days_since_last_purchase |
T_days                   |
mean_gap_days            |
gap_overdue_ratio        |
mean_order_minor         |
spend_trend_7d           |
returned_share           |
return_count             | 2
days_since_last_return   | 19
""",
)

SPECS["one purchase has no gap"] = (
    "purchases",
    """
event_time          | amount_minor | is_return
2025-06-10 00:00:00 | 700          | no
2025-06-10 23:00:00 | 300          | no
""",
    """
frequency            | 0
monetary_value_minor |
recency_days         | 0
T_days               | 21
mean_gap_days        |
std_gap_days         |
last_gap_days        |
gap_overdue_ratio    |
purchase_trend_7d    | 0
purchase_trend_28d   | 3.214285714
""",
)

SPECS["two purchases have a gap but no regularity"] = (
    "purchases",
    """
event_time          | amount_minor | is_return
2025-06-11 00:00:00 | 700          | no
2025-06-21 00:00:00 | 300          | no
2025-06-25 00:00:00 | -50          | yes
""",
    """
mean_gap_days        | 10
std_gap_days         |
gap_irregularity     |
gap_overdue_ratio    | 1
monetary_value_minor | 250
frequency            | 1
""",
)

SPECS["visits at every edge"] = (
    "visits",
    """
event_time                 | known_at   | kind   | session_id | item | category | duration_s
2025-04-01 23:59:59.999999 |            | view   | s1         | i1   | food     | 10
2025-04-02 00:00:00        |            | view   | s2         | i1   | food     | 20
2025-06-02 23:59:59.999999 |            | search | s3         |      |          |
2025-06-03 00:00:00        |            | cart   | s3         | i2   | toys     | 30
2025-06-23 23:59:59.999999 |            | like   | s4         | i2   | toys     |
2025-06-24 00:00:00        |            | view   | s5         | i3   | food     | 0.5
2025-06-30 10:00:00        |            | view   | s6         | i3   | food     | 1.5
2025-06-30 23:59:59.999999 |            | search | s6         |      |          |
2025-07-01 00:00:00        |            | cart   | s7         | i9   | pets     | 99
2025-06-29 10:00:00        | 2025-07-01 | cart   | s8         | i9   | pets     | 99
2025-07-01 00:00:00        | 2025-06-01 | cart   | s9         | i9   | pets     | 99
""",
    """
visit_count_7d           | 3
visit_count_28d          | 5
visit_count_90d          | 7
visit_count              | 8
visit_days_7d            | 2
visit_days_28d           | 4
visit_days_90d           | 6
visit_days               | 7
session_count_7d         | 2
session_count_28d        | 4
session_count_90d        | 5
visits_per_session_28d   | 1.25
visits_per_session_90d   | 1.4
dwell_s_28d              | 32
dwell_s_90d              | 52
mean_dwell_s_28d         | 10.666666667
mean_dwell_s_90d         | 13
item_count_28d           | 2
item_count_90d           | 3
item_repeat_share_28d    | 0.5
visit_category_count_28d | 2
visit_category_count_90d | 2
cart_share_28d           | 0.2
cart_share_90d           | 0.142857143
search_share_28d         | 0.2
search_share_90d         | 0.285714286
engagement_share_28d     | 0.2
engagement_share_90d     | 0.142857143
days_since_last_visit    | 1
days_since_first_visit   | 91
days_since_last_cart     | 28
visit_mean_gap_days      | 15
visit_overdue_ratio      | 0.066666667
visit_trend_7d           | 5.510204082
visit_trend_28d          | 2.295918367
""",
)

SPECS["a visit loses half its weight per half-life"] = (
    "visits",
    """
event_time          | kind
2025-06-24 12:00:00 | view
2025-06-24 13:00:00 | view
2025-06-03 12:00:00 | view
""",
    """
visits_decayed_7d  | 1.0625
visits_decayed_28d | 2.181792830
""",
)

SPECS["feedback at every edge"] = (
    "feedback",
    """
event_time                 | known_at   | kind      | satisfaction | resolved_at
2025-06-02 23:59:59.999999 |            | csat      | 0.25         |
2025-06-03 00:00:00        |            | csat      | 0.75         |
2025-06-24 00:00:00        |            | nps       | 0.9          |
2025-06-24 20:00:00        |            | nps       | 0.7          |
2025-06-26 10:00:00        |            | csat      |              |
2025-06-30 23:59:59.999999 | 2025-07-01 | review    | 0            |
2025-07-01 00:00:00        |            | csat      | 0            |
2025-06-02 12:00:00        |            | complaint |              | 2025-06-30 23:59:59.999999
2025-06-20 09:00:00        |            | ticket    |              | 2025-07-01 00:00:00
2025-06-24 00:00:00        |            | complaint |              |
2025-06-10 09:00:00        |            | ticket    |              | 2025-06-12 08:00:00
""",
    """
satisfaction_mean_28d     | 0.783333333
satisfaction_mean         | 0.65
satisfaction_last         | 0.8
satisfaction_last_change  | 0.15
satisfaction_min_28d      | 0.7
satisfaction_min          | 0.25
satisfaction_change_28d   | 0.533333333
satisfaction_level        | 0.690141
nps_class_last            | 0
days_since_last_score     | 7
score_count_28d           | 3
score_count               | 4
response_share            | 0.8
unanswered_count_7d       | 1
unanswered_count_28d      | 1
unanswered_count_90d      | 1
never_asked               | 0
complaint_count_7d        | 1
complaint_count_28d       | 1
complaint_count_90d       | 2
complaint_count           | 2
complaints_decayed_7d     | 0.556608
days_since_last_complaint | 7
ticket_count_28d          | 2
ticket_count              | 2
open_tickets              | 2
oldest_open_days          | 11
resolution_days_mean_28d  | 2
resolution_days_mean      | 15
resolution_days_max       | 28
""",
)

SPECS["asked and silent is not never asked"] = (
    "feedback",
    """
event_time          | kind | satisfaction
2025-06-10 12:00:00 | csat |
""",
    """
never_asked          | 0
response_share       | 0
unanswered_count_7d  | 0
unanswered_count_28d | 1
score_count          | 0
satisfaction_level |
satisfaction_last  |
nps_class_last     |
""",
)

SPECS["a complaint is no survey"] = (
    "feedback",
    """
event_time          | kind      | satisfaction
2025-06-10 12:00:00 | complaint |
""",
    """
never_asked          | 1
response_share       |
unanswered_count_28d | 0
satisfaction_mean    |
complaint_count    | 1
open_tickets       | 1
""",
)

for _score, _class in {"0.9": 1, "0.8": 0, "0.7": 0, "0.6": -1, "0": -1, "1": 1}.items():
    SPECS[f"an nps answer of {_score}"] = (
        "feedback",
        f"event_time | kind | satisfaction\n2025-06-10 12:00:00 | nps | {_score}\n2025-06-11 12:00:00 | csat | 0.5",
        f"nps_class_last | {_class}\nsatisfaction_last | 0.5",
    )

SPECS["payments at every edge"] = (
    "payments",
    """
due_at                     | known_at   | amount_minor | paid_at                    | disputed | disputed_at
2025-06-02 23:59:59.999999 |            | 1000         | 2025-06-12 08:00:00        | yes      |
2025-06-03 00:00:00        |            | 2000         | 2025-06-03 23:59:59.999999 | no       |
2025-06-10 00:00:00        |            | 3000         | 2025-06-30 23:59:59.999999 | yes      | 2025-06-30 12:00:00
2025-06-11 00:00:00        |            | 4000         | 2025-07-01 00:00:00        |          |
2025-06-20 00:00:00        |            | 5000         | 2025-06-18 09:00:00        | yes      | 2025-07-01 00:00:00
2025-06-30 23:59:59.999999 |            | 6000         |                            |          |
2025-07-01 00:00:00        |            | 7000         |                            | yes      |
2025-06-15 00:00:00        | 2025-07-01 | 8000         |                            | yes      |
2025-07-01 00:00:00        | 2025-06-01 | 9000         |                            | yes      |
""",
    """
due_count_28d         | 5
due_count             | 6
due_amount_minor_28d  | 20000
due_amount_minor      | 21000
days_late_mean_28d    | 8.2
days_late_mean        | 8.5
days_late_max_28d     | 20
days_late_max         | 20
days_late_last        | 1
late_share_28d        | 0.6
late_share            | 0.666666667
paid_early_share_28d  | 0.2
paid_early_share      | 0.166666667
overdue_share_28d     | 0.4
overdue_share         | 0.333333333
overdue_count         | 2
overdue_amount_minor  | 10000
oldest_overdue_days   | 20
days_late_change_28d  | -1.8
late_share_change_28d | -0.4
dispute_count_28d     | 1
dispute_count         | 2
dispute_share         | 0.333333333
""",
)

SPECS["contracts that ended, run, and begin later"] = (
    "contracts",
    """
started_at                 | ended_at                   | plan     | price_minor
2024-07-01 00:00:00        | 2025-06-30 23:59:59.999999 | basic    | 999
2025-06-03 00:00:00        | 2025-07-01 00:00:00        | gold     | 1999
2025-06-30 23:59:59.999999 |                            | silver   |
2025-07-01 00:00:00        |                            | platinum | 9999
""",
    """
contract_active         | 1
contract_active_count   | 2
contract_count          | 3
contract_age_days       | 1
contract_tenure_days    | 365
days_since_contract_end | 1
contract_price_minor    | 1999
contract_plan           | silver
""",
)

SPECS["a contract that is over"] = (
    "contracts",
    """
started_at          | ended_at            | plan  | price_minor
2025-01-01 00:00:00 | 2025-06-01 00:00:00 | basic | 999
""",
    """
contract_active         | 0
contract_active_count   | 0
contract_count          | 1
contract_age_days       |
days_since_contract_end | 30
contract_price_minor    |
contract_plan           |
""",
)

SPECS["the newest profile before as_of holds"] = (
    "customers",
    """
valid_from                 | signup_at                  | region | plan     | birth_year
                           | 2025-06-30 23:59:59.999999 | north  | basic    | 1990
2025-06-30 23:59:59.999999 | 2025-06-30 23:59:59.999999 | south  |          | 1990
2025-07-01 00:00:00        | 2025-06-30 23:59:59.999999 | west   | platinum | 1991
""",
    """
attr_region | south
attr_plan   |
age_years   | 35
tenure_days | 1
""",
)

SPECS["an undated profile always holds but a later sign-up is not known"] = (
    "customers",
    """
valid_from | signup_at           | region
           | 2025-07-01 00:00:00 | north
""",
    """
attr_region | north
tenure_days |
age_years   |
""",
)

SPECS["a snapshot is known at its own date"] = (
    "snapshots",
    """
as_of      | balance
2025-06-30 | 1
2025-07-01 | 2
2025-07-02 | 3
""",
    """
attr_balance | 2
""",
)

SPECS["nothing ever happened"] = (
    "purchases",
    "event_time | amount_minor\n2025-07-01 00:00:00 | 100",
    """
spend_minor              | 0
spend_minor_7d           | 0
order_count_90d          | 0
purchase_days_decayed_7d | 0
monetary_value_minor     |
days_since_last_purchase |
category_count_28d       | 0
category_top_90d         |
visit_count              | 0
days_since_last_visit    |
never_asked              | 1
satisfaction_level       |
open_tickets             | 0
overdue_share            |
overdue_amount_minor     | 0
contract_active          | 0
tenure_days              |
attr_region              |
""",
)

SPECS["the last sign of life is the newest in any table, and no return and no unanswered survey is one"] = (
    "purchases+visits+feedback",
    {
        "purchases": """
event_time          | known_at            | amount_minor | is_return
2025-06-01 10:00:00 |                     | 1000         | no
2025-06-28 10:00:00 |                     | -500         | yes
2025-06-29 10:00:00 |                     | 0            | no
2025-06-30 12:00:00 | 2025-07-01 00:00:00 | 1000         | no
""",
        "visits": """
event_time                 | known_at | kind
2025-06-11 00:00:00        |          | view
2025-06-11 23:59:59.999999 |          | cart
2025-07-01 00:00:00        |          | view
""",
        "feedback": """
event_time                 | known_at            | kind | satisfaction
2025-06-15 12:00:00        |                     | csat |
2025-06-16 12:00:00        |                     | csat | 0.5
2025-06-16 13:00:00        |                     | nps  |
2025-06-20 12:00:00        |                     | csat |
2025-06-30 23:59:59.999999 |                     | nps  |
2025-06-30 12:00:00        | 2025-07-01 00:00:00 | nps  |
2025-06-30 12:00:00        | 2025-07-01 00:00:00 | nps  | 1.0
2025-07-01 00:00:00        |                     | csat |
""",
    },
    """
days_since_last_sign  | 15
sign_days             | 3
sign_overdue_ratio    | 2
unanswered_since_sign | 2
days_since_last_visit | 20
unanswered_count_90d  | 4
""",
)

SPECS["a complaint is a sign of life, and without any sign all surveys were left unanswered since"] = (
    "feedback",
    """
event_time          | kind      | satisfaction
2025-06-21 12:00:00 | complaint |
2025-06-26 12:00:00 | ticket    |
""",
    """
days_since_last_sign  | 5
sign_days             | 2
sign_overdue_ratio    | 1
unanswered_since_sign | 0
""",
)

SPECS["surveys alone are no sign of life"] = (
    "feedback",
    """
event_time          | kind   | satisfaction
2025-06-21 12:00:00 | csat   |
2025-06-26 12:00:00 | review |
""",
    """
days_since_last_sign  |
sign_days             | 0
sign_overdue_ratio    |
unanswered_since_sign | 2
""",
)
