"""Steps of the end-to-end test until a family agrees: pay rule, training, opt-in, draw, invitation."""

import re

from tests.browser.application import RunningApplication
from tests.browser.browser_user import BrowserUser
from tests.browser.story_district import StoryFamily, StoryPeople

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def add_pay_rule(lead: BrowserUser) -> None:
    """Add two dated rules: sixty dollars per visit, and an hourly rate from October 12."""
    lead.go("/contract/new").choose("The same amount for each visit").write("How much, in dollars?", "60.00")
    lead.write("From which day?", "2026-08-01").write("Which clause of the contract?", "12.4 Home visits")
    lead.write("Payroll code", "HV-1").press("Review").press("Add this rule")
    lead.expect_text("The rule was added to the contract", "$60.00")
    lead.press("Add a rule").choose("By the hour").write("How much, in dollars?", "43.33")
    lead.write("From which day?", "2026-10-12").write("Which clause of the contract?", "12.5 Home visits, by the hour")
    lead.write("Payroll code", "HV-2").open("By the hour: minimum time and rounding")
    lead.write("Paid at least, in minutes", "30").select_option("Rounded up to the next", "15 minutes")
    lead.press("Review").press("Add this rule").expect_text("$43.33")


def record_training(coordinator: BrowserUser, people: StoryPeople) -> None:
    """Record a training led by an educator and a parent; its participants are certified."""
    coordinator.go("/people").press("Record a training")
    coordinator.write("Name of the training", "Home visits, first training").write("Which day?", "2026-09-12")
    coordinator.write("How many hours?", "4").select_option("Educator", people.stand_in.name)
    for colleague in (people.teacher, people.partner, people.stand_in):
        coordinator.choose(re.compile(f"^{colleague.name}"))
    coordinator.press("Save and certify").expect_text("Please fix 1 item")  # a parent leader is missing
    coordinator.write("Parent’s first name", "Rosa").write("Parent’s last name", "Quintana").press("Save and certify")
    coordinator.expect_text("3 people are now certified", f"led by {people.stand_in.name} and Rosa Quintana, parent")


def opt_in_educators(*educators: BrowserUser) -> None:
    """Each educator opts in and enters available hours."""
    for educator in educators:
        educator.go("/me").expect_text("You are not taking part right now", "Certified until").press("Take part")
        educator.expect_text("You are taking part in home visits")
        educator.press("When I can visit")
        for day in DAYS:
            educator.write(f"{day}, from", "16:00").write(f"{day}, until", "19:00")
        educator.press("Save my week").expect_text("Your week is saved")


def draw_families(coordinator: BrowserUser, people: StoryPeople) -> None:
    """Draw all families of the class in a random, verifiable order."""
    coordinator.go("/asking").press("Draw families")
    coordinator.select_option("Who to draw from", people.class_title).choose(re.compile("^Everyone"))
    coordinator.open("Use your own seed").write("Seed", "4 8 15 16 23 42").press(re.compile("^Draw$"))
    coordinator.expect_text("4 8 15 16 23 42", f"Families drawn {len(people.families)}")
    coordinator.press("Check this draw").expect_text("the same families, in the same order")


def invite_first_family(application: RunningApplication, coordinator: BrowserUser, people: StoryPeople) -> StoryFamily:
    """Invite families in the order drawn; the first family with texts agrees with a digit."""
    coordinator.press("Ask these families")
    while not (family := _next_family(coordinator, people)).is_texted:
        coordinator.press("I will call this family").expect_text("One family needs a call from you")
    coordinator.press("Ask this family").expect_text("We are asking one family by text")
    application.run_jobs()
    (invitation,) = application.texts_to(family.number)
    assert people.school in invitation
    assert all(digit in invitation for digit in "1239")
    application.receive_text(family.number, "1")
    coordinator.go("/asking").expect_text("1 said yes")
    return family


def _next_family(coordinator: BrowserUser, people: StoryPeople) -> StoryFamily:
    return people.families[int(coordinator.page.locator("input[name=family]").first.input_value())]


def invite_other_families(
    application: RunningApplication, coordinator: BrowserUser, people: StoryPeople, first: StoryFamily
) -> list[StoryFamily]:
    """Invite the rest of the class and return the families that agree. Some decline or ask for a call."""
    coordinator.go("/asking").write("Or the next few", str(len(people.families))).press("Ask them")
    coordinator.go("/asking").expect_text("1 draw with every family asked")
    application.run_jobs()
    no, call, *rest = [family for family in people.families.values() if family.is_texted and family != first]
    application.receive_text(no.number, "3")
    application.receive_text(call.number, "9")
    for family in rest:
        application.receive_text(family.number, "1")
    coordinator.go("/today").expect_text(call.name, "Please call")
    coordinator.press(re.compile(f"Record their answer.*{call.name}")).choose("Yes, come and visit")
    coordinator.choose("By phone").press("Record the answer").expect_text("The family's answer is recorded")
    return [call, *rest]
