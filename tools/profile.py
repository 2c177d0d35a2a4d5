"""Find out how exports are written and what their columns mean, and write the vars with which a build reads them.

Reads the files and nothing else, keeps and sends nothing. Prints what was found with the evidence, and writes a commented vars file, a stages
file where the stages are none that the project knows, and a CSV of each workbook, all beside --out. The first file is that of the deals;
others are recognised by their columns (stage history, field history, activities, reps, quotas). Ends with 0, or with 1 and a sentence when a file
can't be read or written.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from intake.landing import Unusable
from intake.profiling.profile import page, profile, target_of, vars_file, write_stages
from intake.profiling.states import States
from intake.profiling.workbook import ENDINGS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, help="exports: CSV or other text with columns, also gzipped, or workbooks")
    parser.add_argument("--out", type=Path, default=Path("my_crm.yml"), help="the vars file to write (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    try:
        refuse_place(out, arguments.files)
        profiles = profile(arguments.files, out)
        states = next((each.states for each in profiles if each.states and each.states.stages), None)
        stages_file = out.with_name(f"{out.stem}_stages.csv") if states else None
        text = vars_file(profiles, stages_file)
        former = write(out, text, states, stages_file)
    except Unusable as error:
        print(f"{error}.", file=sys.stderr)
        return 1
    print(page(profiles, out, stages_file), end="")
    for kept in former:
        print(f"What stood there before is kept in {kept}.")
    return 0


def refuse_place(out: Path, files: Sequence[Path]) -> None:
    """Raises Unusable if nothing can be written beside --out: before the files are read, which may take minutes."""
    folder = out.absolute().parent
    if not folder.is_dir():
        raise Unusable(f"--out '{out}' names a folder that isn't there: make '{out.parent}', or name another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unusable(f"--out '{out}' is in the folder '{out.parent}', to which you may not write: name another")
    if out.is_dir():
        raise Unusable(f"--out '{out}' is a folder: name a file in it, such as my_crm.yml")
    written = [out, out.with_name(f"{out.stem}_stages.csv"), *(target_of(file, out) for file in files if file.suffix.lower() in ENDINGS)]
    for file in files:
        if file.resolve() in [each.resolve() for each in written]:
            raise Unusable(f"--out '{out}' would replace '{file}', which is to be read: name another file")


def write(out: Path, text: str, states: States | None, stages_file: Path | None) -> list[Path]:
    """Write the files, and return where former ones are kept, which somebody may have edited."""
    before = {path: path.read_bytes() for path in (stages_file, out) if path and path.is_file()}
    try:
        if states and stages_file:
            write_stages(states, stages_file)
        out.write_text(text, encoding="utf-8")
        former = {path.with_name(f"{path.name}.old"): content for path, content in before.items() if path.read_bytes() != content}
        for path, content in former.items():
            path.write_bytes(content)
        return list(former)
    except OSError as error:
        raise Unusable(f"{error.filename or out} can't be written ({error.strerror}): name another place in --out") from error
