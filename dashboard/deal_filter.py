"""What the reader of the deal table picks, and the SQL of it. Values go in as parameters, names come from the lists below only."""

from dataclasses import dataclass, field
from datetime import date

SEGMENTS = ("industry", "region", "product_type", "lead_source", "deal_size_band")
LISTS = {
    **{name: f"deals.{name}" for name in SEGMENTS},
    "stage": "deals.stage",
    "sales_rep_id": "deals.sales_rep_id",
    "team": "reps.team",
    "risk_category": "scores.risk_category",
}
FLAGS = {
    "stalled in its stage": "deals.is_stalled_in_stage",
    "inactive": "deals.is_inactive",
    "stale": "deals.is_stale",
    "pushed": "deals.push_count > 0",
    "overdue": "deals.is_overdue",
}
ORDERS = {
    "Highest risk": "scores.risk_score desc nulls last, deals.deal_amount desc",
    "Most money at risk": "deal_values.revenue_at_risk_amount desc nulls last",
    "Largest amount": "deals.deal_amount desc nulls last",
    "Soonest expected close": "deals.expected_close_date asc nulls last",
    "Longest in its stage": "deals.days_in_stage desc nulls last",
}
OWN = "deals.deal_id in (select deal_id from fct_deal_dimensions where dimension = ? and list_contains(?, dimension_value))"
SOURCE = """
    from fct_open_deals as deals
    left join fct_deal_scores as scores on deals.deal_id = scores.deal_id
    left join fct_deal_values as deal_values on deals.deal_id = deal_values.deal_id
    left join dim_reps as reps on deals.sales_rep_id = reps.sales_rep_id
"""
COLUMNS = """
    deals.deal_id, deals.deal_name, scores.risk_score, scores.risk_category, scores.win_probability, deals.deal_amount,
    deal_values.rapv_amount, deal_values.revenue_at_risk_amount, deals.stage, deals.days_in_stage, deals.age_days, deals.expected_close_date,
    deals.created_date, coalesce(reps.rep_name, deals.sales_rep_id) as rep, reps.team, deals.is_stalled_in_stage, deals.is_inactive, deals.is_stale, deals.push_count,
    deals.is_overdue, deals.days_since_last_activity, deals.industry, deals.region, deals.product_type, deals.lead_source,
    deals.deal_size_band, deals.forecast_category, scores.health_score
"""


@dataclass(frozen=True)
class DealFilter:
    """Nothing picked means nothing filtered."""

    picked: dict[str, list[str]] = field(default_factory=dict)
    own: dict[str, list[str]] = field(default_factory=dict)  # values of dimensions that the user declared
    flags: list[str] = field(default_factory=list)
    search: str = ""
    least_amount: float | None = None
    most_amount: float | None = None
    close_from: date | None = None
    close_to: date | None = None
    created_from: date | None = None
    created_to: date | None = None

    def where(self) -> tuple[str, list]:
        """The where clause and its parameters."""
        clauses, parameters = ["true"], []
        for name, values in self.picked.items():
            if values:
                clauses.append(f"list_contains(?, {LISTS[name]})")
                parameters.append(list(values))
        for name, values in self.own.items():
            if values:
                clauses.append(OWN)
                parameters += [name, list(values)]
        if self.flags:
            clauses.append("(" + " or ".join(FLAGS[name] for name in self.flags) + ")")
        if self.search.strip():
            clauses.append("(contains(lower(deals.deal_id), ?) or contains(lower(coalesce(deals.deal_name, '')), ?))")
            parameters += [self.search.strip().lower()] * 2
        for expression, value in (
            ("deals.deal_amount >= ?", self.least_amount),
            ("deals.deal_amount <= ?", self.most_amount),
            ("deals.expected_close_date >= ?", self.close_from),
            ("deals.expected_close_date <= ?", self.close_to),
            ("deals.created_date >= ?", self.created_from),
            ("deals.created_date <= ?", self.created_to),
        ):
            if value is not None:
                clauses.append(expression)
                parameters.append(value)
        return "where " + " and ".join(clauses), parameters
