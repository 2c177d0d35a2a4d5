"""Own dimensions, row filters and the vars that name dimensions: what is wrong with them."""

from collections.abc import Collection, Sequence

import duckdb

from intake.landing import nearest
from intake.request import Request

MOST_VALUES = 10_000
BUILT_IN = (
    "industry", "region", "product_type", "lead_source", "deal_type", "deal_size_band", "sales_rep_id", "forecast_category", "currency_code",
    "account_id", "pipeline",
)  # fmt: skip
LISTS = (
    "segment_dimensions",
    "primary_dimensions",
    "driver_factors",
    "rapv_segment_dimensions",
    "rapv_offset_dimensions",
    "similar_deal_dimensions",
    "accepted_at_close",
)
# Names of columns that stand beside the dimensions in some model.
TAKEN = frozenset(
    """
    all cycle_band closed_month cohort_month expected_close_month created_month stage deal_age_band stage_age_band activity_age_band
    age_days aging_factor_published amount_decrease_band amount_decrease_count amount_increase_band amount_increase_count
    amount_problem as_of_date average_log_odds band band_type base_rate build_id build_number cell_age_days cell_key cell_rank
    cell_stage cell_win_rate closed_at closed_deal_count closes_later contribution created_at creation_period cycle_days days_in_stage
    days_since_created days_since_last_open deal_count deal_weight depth dimension dimension_value effective_deal_count entered_date
    factor first_segment_value fit fit_intercept flat_amount forecast_date from_date half_year_start_date has_close_date_while_open
    has_stage_rates inactive_days known_amount known_expected_close_date known_sales_rep_id known_size_band label level log_odds
    log_odds_offset log_odds_variance matching_dimension_count method model_amount model_probability model_version month_count
    newest_step observation_date observed_after_days observed_until_date oldest_step open_days penalty_group period previous_build_id
    previous_model_version profile published_aging_amount purpose push_band push_count rapv_amount rapv_probability raw reason
    reason_codes recency regression_band regression_count row_count sample_number score_status second_segment_value segment_amount
    segment_dimension segment_value segment_win_rate squared_amount stage_weighted_amount state tested_until_date trained_as_of_date
    trained_from_date trained_until_date typical_cycle_days unseen_dimensions until_date win_log_odds win_probability won_amount
    won_deal_count amount_in_currency deal_amount_in_currency home_rate input_name
    owner_newer_in file_amount history_close_date file_rep_id history_amount amount_newer_in known_amount_in_currency history_rep_id
    recorded_at history_amount_in_currency history_owner_at_close owned_at close_date_newer_in sighting sighting_date
    account_key lone_outcome rank_score term
    """.split()
)


def is_taken(name: str, own: Sequence[str], canonical: Collection[str], reserved: Collection[str]) -> bool:
    """Would a column of this name be mistaken for another one, or for a word of SQL?"""
    return (
        name in (*canonical, *BUILT_IN, *TAKEN, *reserved)
        or name.startswith(("is_", "raw_", "stated_", "filter_"))
        or name.removesuffix("_value") in {*own, *BUILT_IN, "competitor", "lost_reason"} - {name}
    )


def problems_of_dimensions(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """What is wrong with own dimensions, row filters, and the vars that name dimensions."""
    variables, found = request.variables, []
    own = [each["dimension"] for each in variables.get("own_dimensions") or []]
    filters = variables.get("row_filters") or []
    columns = next((source.columns for source in request.inputs if source.name == "deals"), [])
    found += [f"own_dimensions has {name} twice: give one of them another name" for name in sorted(set(own)) if own.count(name) > 1]
    reserved = {
        word
        for (word,) in connection.execute("select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'").fetchall()
    }
    canonical = {column for column in columns if column not in own or columns.count(column) > 1}
    found += [
        f"own_dimensions names a dimension {name}, which is a word of SQL or a name of the project's own: choose another one, such as own_{name}"
        for name in own
        if is_taken(name, own, canonical, reserved)
    ]
    found += [
        f"row_filters has a filter of {each['column']} that needs either keep or drop"
        for each in filters
        if ("keep" in each) == ("drop" in each)
    ]
    if (own or filters) and not request.path("deals"):
        found.append("own_dimensions and row_filters are about columns of a file: set deals_file too")
    late = [each["dimension"] for each in variables.get("own_dimensions") or [] if each.get("known") == "close"]
    found += [
        f"{variable} has {name}, which own_dimensions says is known only at the close: take it out of {variable}, or change known if it is known before"
        for variable in LISTS
        for name in variables.get(variable) or []
        if name in late
    ]
    for variable in LISTS:
        for name in variables.get(variable) or []:
            if name not in (*BUILT_IN, *own):
                near = nearest(name, [*BUILT_IN, *own])
                found.append(
                    f"{variable} has {name}, which is no dimension"
                    + (f": did you mean {near}?" if near else f": {', '.join([*BUILT_IN, *own])} are, or declare it in own_dimensions")
                )
    return found


def problems_of_values(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Own dimensions that tell deals apart instead of grouping them."""
    found = []
    for each in request.variables.get("own_dimensions") or []:
        if each.get("kind", "text") != "text":
            continue
        [(count,)] = connection.execute(f"select count(distinct {each['dimension']}) from landing.deals").fetchall()
        if count > MOST_VALUES:
            found.append(
                f"own_dimensions has {each['dimension']}, whose column '{each['column']}' has {count:,} values, more than the {MOST_VALUES:,} that "
                "groups of deals may have: take it out, or give it as kind: number if it is one"
            )
    return found
