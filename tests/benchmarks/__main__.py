"""Run the benchmarks, print a table and write build/bench.json. `make bench ONLY=booking` runs some of them."""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from flask.testing import FlaskClient
from icalendar import Calendar

from homevisits import migrate
from homevisits.app import create_app
from homevisits.core import clock, settings
from homevisits.core.db import Database
from tests import servers
from tests.benchmarks import district, message_benchmarks, rivals
from tests.benchmarks.measure import Act, Contest, Line, run, table

FEW, MANY = 200, 10_000
"""Numbers of past visits: a few weeks of a school, and fifty times as many."""
ENGINES = ("sqlite", "postgresql")
FAMILY = district.CLASS
START = datetime(2026, 10, 14, 22, 30, tzinfo=UTC).isoformat()
OTHER_FAMILY = FAMILY - 1
OTHER_START = datetime(2026, 10, 15, 22, 30, tzinfo=UTC).isoformat()


@dataclass(frozen=True)
class Side:
    """A database with two applications: ours, where the teacher is signed in, and the rival."""

    database: Database
    ours: FlaskClient
    bare: FlaskClient
    token: str

    def book(self, family: int = FAMILY, start: str = START) -> None:
        """Book a visit with our application."""
        form = {"partner": district.PARTNER, "start": start, "place_type": "home", "csrf_token": self.token}
        expect(self.ours.post(f"/families/{family}/book", data=form), 303)

    def bare_book(self) -> None:
        """Insert the same rows with the rival."""
        form = {"partner": district.PARTNER, "start": START}
        expect(self.bare.post(f"/book/{FAMILY}", data=form), 303)

    def families(self) -> None:
        """Load our page My families."""
        expect(self.ours.get("/families"), 200)

    def bare_families(self) -> None:
        """Load the rival's list of the same families."""
        expect(self.bare.get("/families"), 200)

    def feed(self) -> bytes:
        """Load our calendar feed."""
        return expect(self.ours.get(f"/calendar/{district.TOKEN}.ics"), 200)

    def unchanged(self) -> Act:
        """Return a request for our calendar feed that is answered with 304."""
        return repeated(self.ours, f"/calendar/{district.TOKEN}.ics")

    def bare_unchanged(self) -> Act:
        """Return a request that the rival answers with 304 after a single query."""
        return repeated(self.bare, f"/unchanged/{district.TOKEN}")

    def undo(self) -> None:
        """Cancel the visits that were booked."""
        rivals.undo(self.database)


def repeated(client: FlaskClient, path: str) -> Act:
    """Return a conditional request for `path` that is answered with 304."""
    headers = {"If-None-Match": client.get(path).headers["ETag"]}
    return lambda: expect(client.get(path, headers=headers), 304)


def expect(response: object, status: int) -> bytes:
    """Return the body of a response; fail if its status differs, because a fast error is no result."""
    found = getattr(response, "status_code", None)
    body: bytes = getattr(response, "data", b"")
    if found != status:
        raise SystemExit(f"answered {found}, not {status}: {body[:300].decode('utf-8', 'replace')}")
    return body


def side(url: str, visits: int) -> Side:
    """Build a district with `visits` past visits."""
    database = Database(url)
    migrate.upgrade(database)
    district.build(database, visits)
    given = settings.load_settings(
        {}, mode="development", database_url=url, secret_key="b" * 40, public_url="http://127.0.0.1:8000"
    )
    ours = create_app(given, database).test_client()
    bare = rivals.bare(database).test_client()
    form = {"email": district.EMAIL, "password": district.PASSWORD, "csrf_token": token_in(ours.get("/sign-in").text)}
    expect(ours.post("/sign-in", data=form), 303)
    return Side(database, ours, bare, token_in(ours.get("/families").text))


def token_in(page: str) -> str:
    """Return the CSRF token of a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if found is None:
        raise SystemExit(f"no form on the page: {page[:500]}")
    return found[1]


def contests(engine: str, few: Side, many: Side) -> Iterator[Contest]:
    """Yield the four page benchmarks, each also with fifty times as many visits."""
    calendar = Calendar.from_ical(few.feed())
    events = len(calendar.walk("VEVENT"))
    if events < district.RECENT:
        raise SystemExit(f"the feed has {events} visits, not {district.RECENT}")
    route, itself = "a bare route, same database", f"itself with {FEW:,} visits, not {MANY:,}"
    # Bookings come last, because the feed shows cancelled visits for a while.
    yield Contest(f"feed_{engine}", f"icalendar's to_ical, {events} events", few.feed, calendar.to_ical, 1.5)
    yield Contest(f"feed_50x_{engine}", itself, many.feed, few.feed, 1.3)
    yield Contest(f"not_modified_{engine}", route, few.unchanged(), few.bare_unchanged(), 1.5, 200)
    yield Contest(f"not_modified_50x_{engine}", itself, many.unchanged(), few.unchanged(), 1.3, 200)
    yield Contest(f"families_{engine}", route, few.families, few.bare_families, 4.0)
    yield Contest(f"families_50x_{engine}", itself, many.families, few.families, 1.3)
    yield Contest(f"booking_{engine}", route, few.book, few.bare_book, 6.0, between=few.undo)

    def between() -> None:
        few.undo()
        many.undo()

    # Use another family and day, to be independent of the benchmark before.
    ours, theirs = partial(many.book, OTHER_FAMILY, OTHER_START), partial(few.book, OTHER_FAMILY, OTHER_START)
    yield Contest(f"booking_50x_{engine}", itself, ours, theirs, 1.3, between=between)


def measured(only: str) -> Iterator[Line | message_benchmarks.LeftOut]:
    """Yield the result of each benchmark with a name that begins with `only`, and the benchmarks left out."""
    if not only.startswith("texts"):
        yield from of_pages(only)
    for found in message_benchmarks.measured(only):
        if isinstance(found, Line):
            print(f"  {found.name} ...", file=sys.stderr, flush=True)
        yield found


def of_pages(only: str) -> Iterator[Line]:
    """Yield the results of the page benchmarks: booking, feed, families."""
    clock.set_source(partial(lambda at: at, district.NOW))
    with tempfile.TemporaryDirectory(prefix="homevisits-bench-") as folder, ExitStack() as stack:
        for engine in ENGINES:
            if engine == "sqlite":
                urls = [f"sqlite:///{folder}/{visits}.sqlite" for visits in (FEW, MANY)]
            else:
                server = stack.enter_context(servers.run_postgres(Path(folder)))
                urls = [server.url(server.create_database("template0")) for _ in (FEW, MANY)]
            sides = [side(url, visits) for url, visits in zip(urls, (FEW, MANY), strict=True)]
            for contest in contests(engine, *sides):
                if contest.name.startswith(only):
                    print(f"  {contest.name} ...", file=sys.stderr, flush=True)
                    yield run(contest)
            for each in sides:
                each.database.dispose()
    clock.set_source(None)


def main(only: str = "") -> int:
    """Run the benchmarks; return 1 if a target was missed."""
    print(
        f"Measuring on {date(2026, 10, 5):%A} of school, {FEW:,} and {MANY:,} visits ...", file=sys.stderr, flush=True
    )
    found = list(measured(only))
    lines = [each for each in found if isinstance(each, Line)]
    left_out = [each for each in found if isinstance(each, message_benchmarks.LeftOut)]
    if not found:
        raise SystemExit(f"there is no contest whose name begins with {only!r}")
    target = Path("build") / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([line.document() for line in lines], indent=1) + "\n", encoding="utf-8")
    print(table(lines))
    print(f"\nwritten to {target}")
    for each in left_out:
        print(f"left out: {', '.join(each.names)} ({each.reason})")
    return 0 if all(line.ok for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
