"""Steps of the end-to-end test until a family agrees: pay rule, training, opt-in, draw, invitation."""

import re

from tests.browser.application import RunningApplication
from tests.browser.browser_user import BrowserUser
from tests.browser.story_district import Home, StoryPeople

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def add_pay_rule(lead: BrowserUser) -> None:
    """Add two dated rules: sixty dollars per visit, and an hourly rate from October 12."""
    lead.go("/contract/new").choose("The same amount for each visit").write("How much, in dollars?", "60.00")
    lead.write("From which day?", "2026-08-01").write("Which clause of the contract?", "12.4 Home visits")
    lead.write("Payroll code", "HV-1").press("Review").press("Add this rule")
    lead.reads("The rule was added to the contract", "$60.00")
    lead.press("Add a rule").choose("By the hour").write("How much, in dollars?", "43.33")
    lead.write("From which day?", "2026-10-12").write("Which clause of the contract?", "12.5 Home visits, by the hour")
    lead.write("Payroll code", "HV-2").open("By the hour: minimum time and rounding")
    lead.write("Paid at least, in minutes", "30").pick("Rounded up to the next", "15 minutes")
    lead.press("Review").press("Add this rule").reads("$43.33")


def record_training(coordinator: BrowserUser, cast: StoryPeople) -> None:
    """Record a training led by an educator and a parent; its participants are certified."""
    coordinator.go("/people").press("Record a training")
    coordinator.write("Name of the training", "Home visits, first training").write("Which day?", "2026-09-12")
    coordinator.write("How many hours?", "4").pick("Educator", cast.stand_in.name)
    for colleague in (cast.teacher, cast.partner, cast.stand_in):
        coordinator.choose(re.compile(f"^{colleague.name}"))
    coordinator.press("Save and certify").reads("Please fix 1 item")  # a parent leader is missing
    coordinator.write("Parent’s first name", "Rosa").write("Parent’s last name", "Quintana").press("Save and certify")
    coordinator.reads("3 people are now certified", f"led by {cast.stand_in.name} and Rosa Quintana, parent")


def opt_in_educators(*educators: BrowserUser) -> None:
    """Each educator opts in and enters available hours."""
    for educator in educators:
        educator.go("/me").reads("You are not taking part right now", "Certified until").press("Take part")
        educator.reads("You are taking part in home visits")
        educator.press("When I can visit")
        for day in DAYS:
            educator.write(f"{day}, from", "16:00").write(f"{day}, until", "19:00")
        educator.press("Save my week").reads("Your week is saved")


def draw_families(coordinator: BrowserUser, cast: StoryPeople) -> None:
    """Draw all families of the class in a random, verifiable order."""
    coordinator.go("/asking").press("Draw families")
    coordinator.pick("Who to draw from", cast.class_title).choose(re.compile("^Everyone"))
    coordinator.open("Use your own seed").write("Seed", "4 8 15 16 23 42").press(re.compile("^Draw$"))
    coordinator.reads("4 8 15 16 23 42", f"Families drawn {len(cast.homes)}")
    coordinator.press("Check this draw").reads("the same families, in the same order")


def invite_first_family(house: RunningApplication, coordinator: BrowserUser, cast: StoryPeople) -> Home:
    """Invite families in the order drawn; the first family with texts agrees with a digit."""
    coordinator.press("Ask these families")
    while not (home := _next_home(coordinator, cast)).is_texted:
        coordinator.press("I will call this family").reads("One family needs a call from you")
    coordinator.press("Ask this family").reads("We are asking one family by text")
    house.work()
    (asked,) = house.texts_to(home.number)
    assert cast.school in asked
    assert all(digit in asked for digit in "1239")
    house.text(home.number, "1")
    coordinator.go("/asking").reads("1 said yes")
    return home


def _next_home(coordinator: BrowserUser, cast: StoryPeople) -> Home:
    return cast.homes[int(coordinator.page.locator("input[name=family]").first.input_value())]


def invite_other_families(
    house: RunningApplication, coordinator: BrowserUser, cast: StoryPeople, first: Home
) -> list[Home]:
    """Invite the rest of the class and return the families that agree. Some decline or ask for a call."""
    coordinator.go("/asking").write("Or the next few", str(len(cast.homes))).press("Ask them")
    coordinator.go("/asking").reads("1 draw with every family asked")
    house.work()
    no, call, *rest = [home for home in cast.homes.values() if home.is_texted and home != first]
    house.text(no.number, "3")
    house.text(call.number, "9")
    for home in rest:
        house.text(home.number, "1")
    coordinator.go("/today").reads(call.name, "Please call")
    coordinator.press(re.compile(f"Record their answer.*{call.name}")).choose("Yes, come and visit")
    coordinator.choose("By phone").press("Record the answer").reads("The family's answer is recorded")
    return [call, *rest]
