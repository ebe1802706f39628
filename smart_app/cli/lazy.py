"""A click group whose commands are imported when called, and whose errors of ours end as words, not as traces."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from smart_app.errors import AppError


@dataclass(frozen=True, slots=True)
class CommandAt:
    """Where a command is (``module:attribute``) and its line in the help page, which so imports nothing."""

    place: str
    help: str


class LazyGroup(click.Group):
    """``commands_at``: command name → where it is, in the order of the help page."""

    def __init__(self, *args: Any, commands_at: dict[str, CommandAt], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in their order."""
        del ctx
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and give one command."""
        del ctx
        if cmd_name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[cmd_name].place.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in self._commands_at.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours is told in its own words, exit 1."""
        try:
            return super().invoke(ctx)
        except AppError as exc:
            message = str(exc) if str(exc) == exc.title else f"{exc.title}\n{exc}"
            raise Failure(f"{message}\n{exc.remedy}\n[{exc.code}]") from exc


class Failure(click.ClickException):
    """A command that could not do its work: words on standard error, exit 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the words."""
        click.echo(self.format_message(), err=True, file=file)
