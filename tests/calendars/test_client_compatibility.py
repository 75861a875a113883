"""The feed as read by ical.js (used by Thunderbird and Nextcloud), node-ical and libical.

These libraries are optional: run `npm install ical.js node-ical` in a folder in NODE_PATH, or install libical-dev
(Debian) and a C compiler. A test is skipped with a message if its library is missing.
"""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homevisits.calendars.feed import CalendarEntry, EventStatus, FeedLabels, render_feed

# An entry every eight hours for 300 days, across both clock changes of a school year.
FIRST = datetime(2026, 8, 24, 14, 30, tzinfo=UTC)
ENTRIES = [
    CalendarEntry(
        uid=f"{number:032x}@homevisits",
        starts_at=FIRST + timedelta(hours=8 * number),
        ends_at=FIRST + timedelta(hours=8 * number, minutes=45),
        status=list(EventStatus)[number % 3],
        version=number % 5,
        updated_at=FIRST,
        url=f"https://visits.example.org/visits/{number}",
        colleagues=(("Zoë Ñandú, née O'Neil; with a name long enough that its line must be folded \\ twice",), ())[
            number % 2
        ],
    )
    for number in range(900)
]
EXPECTED = {
    entry.uid: [int(entry.starts_at.timestamp()), int(entry.ends_at.timestamp()), entry.status.value]
    for entry in ENTRIES
}
ICAL_JS = """
const ICAL = require('ical.js'), fs = require('fs');
const comp = new ICAL.Component(ICAL.parse(fs.readFileSync(process.argv[1], 'utf8')));
const found = {};
for (const part of comp.getAllSubcomponents('vevent')) {
  const e = new ICAL.Event(part);
  found[e.uid] = [e.startDate.toUnixTime(), e.endDate.toUnixTime(), part.getFirstPropertyValue('status')];
}
console.log(JSON.stringify({found, refresh: comp.getFirstPropertyValue('refresh-interval').toString(),
  title: new ICAL.Event(comp.getAllSubcomponents('vevent')[0]).summary}));
"""
NODE_ICAL = """
const ical = require('node-ical'), found = {};
for (const e of Object.values(ical.sync.parseFile(process.argv[1])))
  if (e.type === 'VEVENT') found[e.uid] = [e.start.getTime() / 1000, e.end.getTime() / 1000, e.status];
console.log(JSON.stringify({found}));
"""
LIBICAL = r"""
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "rb"); static char text[4000000]; text[fread(text, 1, sizeof text - 1, f)] = 0;
  icalcomponent *all = icalparser_parse_string(text);
  if (!all || icalcomponent_count_errors(all) || !icalrestriction_check(all)) return 1;
  printf("{");
  const char *comma = "";
  for (icalcomponent *e = icalcomponent_get_first_component(all, ICAL_VEVENT_COMPONENT); e;
       e = icalcomponent_get_next_component(all, ICAL_VEVENT_COMPONENT)) {
    printf("%s\"%s\": [%ld, %ld]", comma, icalcomponent_get_uid(e),
      (long)icaltime_as_timet(icalcomponent_get_dtstart(e)), (long)icaltime_as_timet(icalcomponent_get_dtend(e)));
    comma = ", ";
  }
  printf("}");
  return 0;
}
"""


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    path = tmp_path / "feed.ics"
    path.write_bytes(render_feed(ENTRIES, FeedLabels()))
    return path


def run_in_node(script: str, module: str, feed: Path) -> dict[str, object]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if subprocess.run([node, "-e", f"require('{module}')"], capture_output=True, env=os.environ).returncode:
        pytest.skip(f"node cannot load {module} (run npm install {module} and add its folder to NODE_PATH)")
    result = subprocess.run([node, "-e", script, str(feed)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    output: dict[str, object] = json.loads(result.stdout)
    return output


def test_ical_js_reads_every_visit_at_the_right_time(feed: Path) -> None:
    result = run_in_node(ICAL_JS, "ical.js", feed)
    assert result["found"] == EXPECTED
    assert result["refresh"] == "PT1H"
    assert result["title"] == f"Home visit with {ENTRIES[0].colleagues[0]}"


def test_node_ical_reads_every_visit_at_the_right_time(feed: Path) -> None:
    assert run_in_node(NODE_ICAL, "node-ical", feed)["found"] == EXPECTED


def test_libical_reads_every_visit_without_errors(feed: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    source, program = tmp_path / "read.c", tmp_path / "read"
    source.write_text(LIBICAL, encoding="utf-8")
    build = compiler and subprocess.run([compiler, source, "-o", program, "-lical"], capture_output=True, text=True)
    if not build or build.returncode:
        pytest.skip("libical or a C compiler is not installed (Debian: apt-get install gcc libical-dev)")
    result = subprocess.run([program, feed], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {uid: times[:2] for uid, times in EXPECTED.items()}
