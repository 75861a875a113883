import sys
from collections.abc import Callable
from typing import Any

import click

from homevisits.cli.output import CommandResult, Group, command, open_application
from homevisits.core import clock
from homevisits.core.access import Role
from homevisits.core.languages import UI_LANGUAGES


@click.group(cls=Group)
def user() -> None:
    """Manage accounts and roles."""


ROLE_TYPE = click.Choice([role.value for role in Role])


@command(user)
@click.argument("email")
@click.option("--name", required=True)
@click.option("--role", type=ROLE_TYPE, required=True)
@click.option("--school", help="The school's id in the roster. Default: the whole district.")
@click.option("--educator", help="The educator's id in the roster, for those who visit.")
@click.option("--language", type=click.Choice(list(UI_LANGUAGES)), default="en", show_default=True)
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input. Default: create and print one."
)
def add(
    *, email: str, name: str, role: str, school: str | None, educator: str | None, language: str, password_stdin: bool
) -> CommandResult:
    """Create an account."""
    from homevisits.people import accounts

    new_account = accounts.NewAccount(
        email=email,
        name=name,
        role=Role(role),
        school=school,
        educator=educator,
        language=language,
        password=_read_password() if password_stdin else None,
    )
    with open_application() as (_settings, database), database.transaction() as session:
        made = accounts.add_account(session, new_account)
    lines = f"{email} can sign in." + (f" Password: {made}  (it is shown only now)" if made else "")
    return CommandResult({"email": email, "role": role, "password": made}, lines)


@command(user, name="list")
def list_accounts() -> CommandResult:
    """List accounts and their roles."""
    from homevisits.people import accounts

    with open_application() as (_settings, database), database.reading() as session:
        rows = accounts.list_accounts(session)
    lines = "\n".join(f"{r.email}  {r.name}  {', '.join(r.grants)}{'' if r.active else '  (closed)'}" for r in rows)
    document = [{"email": r.email, "name": r.name, "active": r.active, "grants": list(r.grants)} for r in rows]
    return CommandResult({"accounts": document}, lines or "There is no account yet. See: homevisits user add --help")


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _change_account(email: str, change: Callable[..., None], *values: Any, **named: Any) -> CommandResult:
    with open_application() as (_settings, database), database.transaction() as session:
        change(session, email, *values, **named)
    return CommandResult({"email": email, "changed": True}, f"{email}: done.")


@command(user)
@click.argument("email")
@click.option("--role", type=ROLE_TYPE, required=True)
@click.option("--school", help="The school's id in the roster. Default: the whole district.")
def grant(email: str, role: str, school: str | None) -> CommandResult:
    """Add a role to an account."""
    from homevisits.people import accounts

    return _change_account(email, accounts.grant_role, Role(role), school)


@command(user)
@click.argument("email")
@click.option("--role", type=ROLE_TYPE, required=True)
def revoke(email: str, role: str) -> CommandResult:
    """Remove a role from an account."""
    from homevisits.people import accounts

    return _change_account(email, accounts.revoke_role, Role(role))


@command(user)
@click.argument("email")
def password(email: str) -> CommandResult:
    """Set a password, read from standard input, and end the account's sessions."""
    from homevisits.people.sign_in import attempts

    return _change_account(email, attempts.set_password, _read_password(), clock.now())


@command(user)
@click.argument("email")
@click.option("--open", "active", is_flag=True, help="Reopen it.")
def close(email: str, active: bool) -> CommandResult:
    """Close an account and end its sessions. Its history is kept."""
    from homevisits.people import accounts

    return _change_account(email, accounts.set_account_active, clock.now(), active=active)
