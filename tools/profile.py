"""Find out how exports are written and what their columns mean, and write the vars with which a build reads them.

Reads the files and nothing else, keeps and sends nothing. Prints what was found with the evidence, and writes a commented vars file, a stages
file where the stages are none that the project knows, and a CSV of each workbook, all beside --out. The first file is that of the deals;
others are recognised by their columns (stage history, field history, activities, reps, quotas). Ends with 0, or with 1 and a sentence when a file
can't be read.
"""

import argparse
import sys
from pathlib import Path

from intake.landing import Unusable
from intake.profiling.profile import page, profile, vars_file, write_stages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, help="exports: CSV or other text with columns, also gzipped, or workbooks")
    parser.add_argument("--out", type=Path, default=Path("my_crm.yml"), help="the vars file to write (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    try:
        profiles = profile(arguments.files, arguments.out)
    except Unusable as error:
        print(f"{error}.", file=sys.stderr)
        return 1
    states = next((each.states for each in profiles if each.states and each.states.stages), None)
    stages_file = arguments.out.with_name(f"{arguments.out.stem}_stages.csv") if states else None
    if states and stages_file:
        write_stages(states, stages_file)
    arguments.out.write_text(vars_file(profiles, stages_file), encoding="utf-8")
    print(page(profiles, arguments.out, stages_file), end="")
    return 0
