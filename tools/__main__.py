"""The command line of the tools. Each command is the module of its name, with `add_arguments(parser)` and `run(arguments)`; only the
one that is asked for is imported, so that none pays for another's libraries."""

import argparse
import importlib
import sys

COMMANDS = {
    "profile": "find out how an export is written, and write the vars that read it",
    "check": "what is wrong with a vars file and the files that it names, without a build",
    "generate": "write a CRM of any size, with planted effects, as CSV or Parquet",
    "benchmark": "time and memory of a whole build beside plain DuckDB",
    "compare": "two published files, table by table and row by row",
    "export": "write the scores, reasons and actions of open deals as a file for the CRM",
    "simulate": "how often a statistical model is right on CRMs whose truth is known",
    "replay": "build the demo week by week, and check what alerts it raises",
    "deliver": "send alerts and digests to Slack and e-mail, each at most once",
    "screenshots": "pictures of the dashboard for the README",
}


def main(arguments: list[str] | None = None) -> int:
    summaries = "\n".join(f"  {name:<12}{summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tools",
        description="What is run beside dbt. `python -m tools <command> --help` tells more.",
        epilog=f"commands:\n{summaries}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="one of those below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    chosen = parser.parse_args(arguments)
    module = importlib.import_module(f"tools.{chosen.command}")
    command = argparse.ArgumentParser(
        prog=f"python -m tools {chosen.command}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(command)
    return module.run(command.parse_args(chosen.arguments))


if __name__ == "__main__":
    sys.exit(main())
