"""Run a statistical model on many generated CRMs whose truth is known, and print how often it was right as a Markdown table.

change, drift, drivers, reps and segments run on CRMs of both generators, the others on the demo's kind or on what they draw themselves.
"""

import argparse
import importlib

SIMULATIONS = {
    "change": "false and found changes and trends of the win rate, the planted bad quarter, and its rate and mix parts",
    "cycle": "found and false gaps between the cycles of won and lost deals",
    "drift": "false alarms and found changes of the open deals' distribution",
    "drivers": "intervals, found and false drivers of the win rate",
    "effects": "intervals of the effect of actions, and what acting alone is associated with",
    "rapv": "forecasts of past pipelines against what came, through whole dbt builds",
    "reps": "found and falsely flagged sales reps",
    "rewritten": "columns that are filled in or changed at the close, found and falsely flagged",
    "scores": "gate, power and calibration of the deal scores",
    "segments": "false and found verdicts on segments, and a year of nightly looks",
    "trend": "false alarms and found drops of the chart of the win rate",
    "yield": "how often the band of what a pipeline yields holds what comes",
}


ON_BOTH = ("change", "drift", "drivers", "reps", "segments")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    summaries = "; ".join(f"{name}: {summary}" for name, summary in SIMULATIONS.items())
    parser.add_argument("simulation", choices=SIMULATIONS, metavar="simulation", help=summaries)
    parser.add_argument(
        "--crms", type=int, default=200, help="generated CRMs (of trend: series of months, of yield: pipelines) of each kind (200)"
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same table (1)")
    parser.add_argument("--processes", type=int, default=1, help="worker processes (1)")
    parser.add_argument("--deals", type=int, help="deals of a CRM, of rapv alone (3000)")
    parser.add_argument("--kind", choices=("demo", "process"), help=f"only CRMs of this generator, of {', '.join(ON_BOTH)} (both)")


def run(arguments: argparse.Namespace) -> int:
    simulation = importlib.import_module(f"tools.simulations.{arguments.simulation}")
    if arguments.deals and arguments.simulation != "rapv":
        raise SystemExit(f"--deals is for rapv: {arguments.simulation} has sizes of its own.")
    if arguments.kind and arguments.simulation not in ON_BOTH:
        raise SystemExit(f"--kind is for {', '.join(ON_BOTH)}: {arguments.simulation} doesn't run on both.")
    options = {"deals": arguments.deals} if arguments.deals else {}
    options |= {"generators": (arguments.kind,)} if arguments.kind else {}
    print(simulation.run(arguments.crms, arguments.seed, arguments.processes, **options))
    return 0
