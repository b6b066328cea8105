"""The command line: one file a command, imported only when it is called."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import traceback
from typing import Any

import click

from dockyard.errors import EXIT_BUG, UserError, explain
from dockyard.version import VERSION

__all__ = ["group", "main"]


class CommandDirectory(click.Group):
    """Its commands are the files of this package: `cli/up.py` holds `command`; `_name.py` is no command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command


@click.group(cls=CommandDirectory, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="dockyard")
def group() -> None:
    """Learn containers and Kubernetes on live systems.

    Exit status: 0 done; 1 the answer is no (a check or test failed); 2 wrong usage; 3 the platform is not
    running; 4 something on this machine is in the way (the message says what to do); 70 a bug of ours.
    """


def main() -> None:
    """Run the command line; whatever happens, end with a sentence and an exit status, never a traceback."""
    try:
        sys.exit(group.main(prog_name="dockyard", standalone_mode=False) or 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        if _wants_json():
            _say_json({"error": error.format_message()})
        else:
            error.show()
        sys.exit(error.exit_code)
    except UserError as error:
        _report(error)
    except BrokenPipeError:
        # The reader (`| head`) has gone; writing more, also at exit, would only raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except OSError as error:
        _report(explain(error, "the command stopped"))
    except Exception as error:  # anything else is our mistake and says so
        if os.environ.get("DOCKYARD_DEBUG"):
            traceback.print_exc()
        detail = f"{type(error).__name__}: {error}"
        advice = "Run it again with DOCKYARD_DEBUG=1 and report what it prints."
        _report(UserError(f"a bug in dockyard: {detail}", advice, code=EXIT_BUG))


def _report(error: UserError) -> None:
    if _wants_json():
        _say_json({"error": error.message, "advice": error.advice})
    else:
        click.echo(f"dockyard: {error.message}", err=True)
        if error.advice:
            click.echo(f"  {error.advice}", err=True)
    sys.exit(error.code)


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]


def _say_json(answer: dict[str, Any]) -> None:
    click.echo(json.dumps(answer, indent=2))
