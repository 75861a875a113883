"""The feed as other programs read it: ical.js (strict; Thunderbird and Nextcloud are built on it), node-ical, libical.

They are not dependencies: `npm install ical.js node-ical` in a folder named by NODE_PATH, or the package libical-dev
(Debian) with a C compiler. Where they are missing the test is skipped and says so.
"""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homevisits.calendars.feed import CalendarEntry, EventStatus, FeedLabels, render_feed

# Every day of a school year at two hours of Denver: both changes of the clock lie between.
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
WANTED = {
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


def in_node(script: str, module: str, feed: Path) -> dict[str, object]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on this machine")
    if subprocess.run([node, "-e", f"require('{module}')"], capture_output=True, env=os.environ).returncode:
        pytest.skip(f"node does not find {module} (npm install {module}, and name its folder in NODE_PATH)")
    answer = subprocess.run([node, "-e", script, str(feed)], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def test_ical_js_reads_every_visit_at_its_hour(feed: Path) -> None:
    answer = in_node(ICAL_JS, "ical.js", feed)
    assert answer["found"] == WANTED
    assert answer["refresh"] == "PT1H"
    assert answer["title"] == f"Home visit with {ENTRIES[0].colleagues[0]}"


def test_node_ical_reads_every_visit_at_its_hour(feed: Path) -> None:
    assert in_node(NODE_ICAL, "node-ical", feed)["found"] == WANTED


def test_libical_reads_every_visit_and_finds_no_fault(feed: Path, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    source, program = tmp_path / "read.c", tmp_path / "read"
    source.write_text(LIBICAL, encoding="utf-8")
    built = compiler and subprocess.run([compiler, source, "-o", program, "-lical"], capture_output=True, text=True)
    if not built or built.returncode:
        pytest.skip("libical or a C compiler is not on this machine (Debian: apt-get install gcc libical-dev)")
    answer = subprocess.run([program, feed], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {uid: when[:2] for uid, when in WANTED.items()}
