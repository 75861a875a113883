"""Problem code -> the sentence a person reads, in their language. Each says what to do, and blames nobody."""

from datetime import date, datetime, time
from types import MappingProxyType

from flask_babel import gettext

from homevisits.core.problems import Problem


def N_(message: str) -> str:  # noqa: N802 - the name that pybabel looks for
    """Mark a sentence for translation; it is translated when it is read."""
    return message


# fmt: off
SENTENCES = MappingProxyType(
    {
        # sign-in and account
        "sign_in_failed": N_("That name and password do not fit together. Check both and try again."),
        "too_many_tries": N_("There were many tries in a short time. Wait %(minutes)s minutes, then try again."),
        "password_wrong": N_("Your current password is not right. Type it again."),
        "password_short": N_("Choose a password of at least %(least)s characters. A short sentence is a good one."),
        "password_long": N_("Choose a password of at most %(most)s characters."),
        "password_same": N_("Choose a password that differs from the current one."),
        "password_is_name": N_("Choose a password that is not your own name or sign-in name."),
        "passwords_differ": N_("The two new passwords are not the same. Type both again."),
        # accounts, on the command line
        "email_wrong": N_("Write an e-mail address, such as name@district.org."),
        "account_exists": N_("%(email)s has an account already."),
        "educator_missing": N_("Say which educator this account belongs to, by the roster’s id."),
        "educator_unknown": N_("The roster has no educator %(found)s."),
        "educator_has_account": N_("The educator %(found)s has an account already."),
        "school_unknown": N_("The roster has no school %(found)s."),
        # forms
        "missing": N_("Fill in this field."),
        "missing:learned": N_("Write what you learned."),
        "missing:will_do": N_("Write what you will do."),
        "missing:started": N_("Write when you came."),
        "missing:ended": N_("Write when you left."),
        "missing:title": N_("Write what the training was called."),
        "missing:held_on": N_("Choose the day of the training."),
        "missing:hours": N_("Write how many hours it took."),
        "missing:parent_given": N_("Write the parent’s first name."),
        "missing:parent_family": N_("Write the parent’s last name."),
        "not_a_number": N_("Write a number here, such as 60.00."),
        "not_a_day": N_("Write a day here, such as 10/06/2026."),
        "not_a_choice": N_("Choose one of the answers shown."),
        "not_a_choice:family": N_("Choose the family."),
        "not_a_choice:answer": N_("Choose what the family said."),
        "not_a_choice:how": N_("Say how: by phone, in person or on paper."),
        "too_long": N_("Write at most %(most)s characters."),
        # pay
        "rule_amount": N_("Write an amount above $0.00 and at most $10,000.00, with cents, such as 60.00."),
        "rule_starts_in_past": N_("A new rule starts today or later. Pay for past visits stays as it was."),
        "rule_starts_taken": N_("A rule already starts on this day. Choose another day."),
        "rule_minimum": N_("Write a smallest time between 0 and 480 minutes."),
        "rule_rounding": N_("Choose how minutes are rounded up: 1, 5, 6, 10, 15, 30 or 60."),
        "rule_clause": N_("Name the clause of the contract, so that every pay line can point to it."),
        "rule_code": N_("Write the payroll code: letters, digits and dashes only, at most 20."),
        "nothing_chosen": N_("Choose at least one claim."),
        "claim_changed": N_(
            "Someone else decided on one of these claims a moment ago. Look at the list again, then choose."
        ),
        "own_claim": N_("You cannot approve your own pay. Another coordinator does."),
        "approved_by_you": N_("You approved one of these for the school. Somebody else approves it for the union."),
        "comment_missing": N_("Say in a sentence what to check, so that the next person knows what to do."),
        "period_backwards": N_("The last day comes before the first. Choose the days again."),
        "period_empty": N_("No approved pay waits in these days. Choose other days, or approve claims first."),
        # files handed in: the roster and its supplement
        "package_missing": N_("There is no such file or folder."),
        "package_not_zip": N_("This is neither a folder nor a zip file."),
        "package_broken": N_("This zip file is broken or locked with a password. Export it again."),
        "package_too_many": N_("This zip file holds too many files to be a roster."),
        "package_too_large": N_("This file is larger than a roster can be. Nothing was read."),
        "package_unsafe_path": N_("A file in this package points outside it. Nothing was read."),
        "package_file_twice": N_("This file is in the package twice. Keep one."),
        "file_missing": N_("This file is missing from the package."),
        "file_not_utf8": N_("This line is not UTF-8 text. Export the file as UTF-8."),
        "file_empty": N_("This file is empty; it needs at least its header line."),
        "column_missing": N_("The header has no such column."),
        "column_twice": N_("The header has this column twice."),
        "row_quotes": N_("A quotation mark on this line is not closed or stands in the wrong place."),
        "row_width": N_("This line has %(found)s fields; the header has %(expected)s."),
        "field_line_break": N_("A field holds a line break."),
        "field_control_character": N_("A field holds a character that cannot be printed."),
        "field_too_long": N_("A field is longer than %(limit)s characters."),
        "manifest_missing": N_("The package has no manifest; all of its files were read as complete (bulk)."),
        "manifest_version": N_("OneRoster %(found)s is not read yet. Export OneRoster 1.1."),
        "manifest_value": N_("“%(found)s” is not bulk, delta or absent."),
        "manifest_delta": N_("%(about)s holds only changes (delta). Export the whole roster (bulk)."),
        "manifest_promises": N_("The manifest promises %(about)s, but the package does not hold it."),
        "value_missing": N_("This field must not be empty."),
        "value_unknown": N_("“%(found)s” is not a value this column may have."),
        "date_unreadable": N_("“%(found)s” is not a day written like 2026-09-01."),
        "ends_before_begin": N_("This ends before it begins."),
        "id_twice": N_("The id %(id)s is already on line %(first)s."),
        "id_unknown": N_("Nothing in the package has the id %(found)s."),
        "row_deleted": N_("This line is marked as deleted and was left out."),
        "school_not_of_class": N_("This class belongs to another school."),
        "second_district": N_("The package holds a second district. Import one district."),
        "other_district": N_("This roster is of district %(found)s; this installation holds %(known)s."),
        "student_without_school": N_("This student belongs to no school in the package."),
        "educator_without_school": N_("This person belongs to no school and was left out."),
        "grade_missing": N_("This student has no grade."),
        "role_does_not_fit": N_("“%(found)s” does not fit this person’s role; the line was left out."),
        "agent_no_caregiver": N_("%(found)s is not a caregiver of a student; the link was left out."),
        "no_caregiver": N_("No caregiver is named for this student, so nobody can be asked. Name one in the student system."),
        "caregiver_of_nobody": N_("This caregiver is linked to no student and was left out."),
        "phone_unreadable": N_("This is not a phone number; it was left out. Correct it in the student system."),
        "email_shared": N_("Several people share %(found)s; it was left out."),
        "payroll_shared": N_("Several people share the payroll number %(found)s; it was left out."),
        "language_unknown": N_("“%(found)s” is not a language code such as eng or es."),
        "student_unknown": N_("No student has the number %(found)s. Import the roster first."),
        "supplement_differs": N_("Children of one household differ here; the first one’s was kept."),
        # attendance and demographics files
        "attendance_file_unknown": N_("A file of attendance has one of four names, such as attendance_events.csv."),
        "attendance_files_missing": N_("None of the four files of attendance is here, such as attendance_events.csv."),
        "attendance_code_unknown": N_("“%(found)s” is not among the attendance codes. Add it to attendance_codes.csv."),
        "school_number_unknown": N_("No school has the number %(found)s. Import the roster first."),
        "yes_or_no": N_("“%(found)s” is neither yes nor no: write Y or N, 1 or 0."),
        "portion_of_day": N_("“%(found)s” is not a part of a day between 0 and 1."),
        "days_not_a_number": N_("“%(found)s” is not a number of days or a year."),
        "more_absent_than_enrolled": N_("More days absent than enrolled. Correct it in the student system."),
        "no_school_that_day": N_("There was no school on %(found)s by the calendar; the line was left out."),
        "student_day_twice": N_("Some students have several lines on one day (%(number)s); an absence counts first."),
        # drawing and asking
        "nobody_to_draw_from": N_("Nobody is enrolled there. Choose the school, a grade or a class."),
        "ask_how_many": N_("Write how many families to ask: from 1 to %(most)s."),
        "draw_how_many": N_("Write how many families to draw: 1 or more."),
        "redraw_needs_reason": N_(
            "There is a draw for these families already. Say why you draw again; the first is kept."
        ),
        "nobody_left_to_ask": N_("Every family of this draw is asked. Nothing more to do here."),
        "draw_was_replaced": N_("This draw was replaced by a newer one. Ask the families of the newer draw."),
        "not_the_next_family": N_("Someone else asked this family a moment ago. The page now shows the next one."),
        "say_how": N_("Say how the family told you: by phone, in person or on paper."),
        # answers to families' texts
        "missing:body": N_("Write your answer."),
        "missing:urgent_reason": N_("Say in a few words why it cannot wait."),
        "not_a_choice:language": N_("Choose the language you write in."),
        "not_a_choice:canned": N_("This answer is not ready in this language. Write your own words."),
        "not_a_choice:account": N_("This person cannot read this conversation. Choose somebody of the list."),
        "written_names_child": N_("It says a child’s full name. Write the first name or “your child”: others may read along."),
        "written_says_address": N_("It says an address. Leave it out: a text may reach a wrong phone."),
        "written_asks_for_a_word": N_("It asks for a word such as YES or NO: carriers take those for something else. Ask openly."),
        "written_loose_brace": N_("Leave out the braces { and }."),
        "written_too_long": N_("It takes %(parts)s parts; two are the most. Make it shorter."),
        "written_staff_number": N_("It says a colleague’s own number. Leave it out: families call the school."),
        "question_is_over": N_("What we asked is settled or over by now. Write to the family, or call."),
        "texting_ended": N_("This family gets no more texts. Call instead."),
        "not_to_be_texted": N_("The roster says not to write to whoever has this number. Ask the school office."),
        "phone_gets_no_texts": N_("No text reaches this number. Call instead."),
        "say_how_told": N_("Say how they told you: by phone, in person, by letter or on the web."),
        "carrier_holds_the_stop": N_("The carrier holds this stop. Only the family can lift it, by texting START."),
        # trainings and willingness
        "trainer_educator_missing": N_("Name the educator who led the training."),
        "trainer_parent_missing": N_("Name the parent who led the training together with the educator."),
        "trainers_same": N_("A training is led by two different people, an educator and a parent."),
        "training_future": N_("Record a training on its day or after it, not before."),
        "training_minutes": N_("Write how long the training was, between 30 minutes and 16 hours."),
        "training_nobody": N_("Choose at least one person who took part."),
        "not_of_your_schools": N_("Someone chosen does not work at one of your schools. Choose again."),
        "not_an_educator": N_("Only educators opt in; this account belongs to none."),
        # texts: what was lost, quiet days, what texts go out from
        "text_too_late": N_("It is too late for this text to be of use. Call instead."),
        "text_bad_phone": N_("This number cannot get texts. Call instead."),
        "text_not_known": N_("It may have arrived, so it is not sent twice. Call instead."),
        "text_repeated": N_("The same words went to this phone today. Call instead."),
        "quiet_day_past": N_("That day is over. Choose today or a later day."),
        "quiet_day_far": N_("That is more than two years away. Choose an earlier day."),
        "quiet_days_many": N_("Choose at most %(most)s days at a time."),
        "missing:name": N_("Write a name."),
        "missing:note": N_("Say why it is not needed."),
        "missing:brand_id": N_("Write the brand’s id: without it nothing is registered."),
        "missing:campaign_id": N_("Write the id of the campaign or verification: without it nothing is registered."),
        "not_a_phone": N_("Write a phone number with its area code, such as (651) 555-0142."),
        "guest_is_family": N_("This is a family’s number. A trial texts staff only."),
        "sender_id": N_("Write the id as the carrier shows it: letters and digits only."),
        "sender_speed": N_("Write how many parts a second it may send: above 0, at most %(most)s."),
        "sender_day": N_("Write how many parts a day it may send, as a whole number, or nothing."),
        # the five practices
        "family_has_not_said_yes": N_("This family has not said yes to a visit, or said not now since."),
        "family_yes_lapsed": N_(
            "This family’s yes no longer counts. Before the visit, your site coordinator must ask the family again."
        ),
        "no_caregiver_may_consent": N_(
            "The student system names no caregiver of this family who may say yes. Have it corrected first."
        ),
        "educator_not_opted_in": N_("%(name)s does not take part in home visits at present."),
        "too_soon": N_("Families get at least %(hours)s hours of notice. Choose a later time."),
        "not_certified_on_the_day": N_("%(name)s is not certified on %(day)s. Choose another day or another partner."),
        "went_unpaid": N_("Somebody who went has neither pay nor a reason why not."),
        "not_fairly_asked": N_("This family was neither drawn nor did it ask for a visit itself."),
        "not_next_in_the_draw": N_("Families are asked in the order drawn; number %(next)s is next."),
        "second_before_first": N_("A second visit comes after a first one that was held."),
        "first_already_held": N_("The first visit to this family was held. The next is a second visit."),
        "never_alone": N_("A visit is made by two people together. Choose a partner."),
        "same_person_twice": N_("A visit is made by two different people. Choose a partner."),
        "visit_is_running": N_("Nothing is written during a visit. Say first that you met; then you can reflect."),
        "only_the_pair_attests": N_("Only the two people of this visit can say that they went."),
        "ends_before_it_starts": N_("The end comes before the start. Change one of them."),
        "attested_by_one": N_("The other of you two has to agree."),
        "accounts_differ": N_("You two said different things. Talk, then one agrees with the other."),
        # times
        "outside_their_hours": N_("%(name)s cannot visit at that hour. Choose another time."),
        "already_taken": N_("%(name)s has something else at that hour. Choose another time."),
        "just_taken": N_("Somebody took that hour a moment ago. Choose another time."),
        "no_hours_that_day": N_("%(name)s has no hours for visits that day."),
        "school_closed": N_("The school is closed on %(day)s: %(name)s."),
        "too_far_ahead": N_("Visits are planned at most %(days)s days ahead."),
        "not_a_time": N_("Choose one of the times shown."),
        "hour_does_not_exist": N_("Clocks skip this hour on that day. Write another time."),
        "hours_backwards": N_("The end comes before the start. Change one of them."),
        "hours_half": N_("Write both when you can start and when you must end."),
        "hours_short": N_("That is not enough time for a visit of %(minutes)s minutes."),
        "hours_overlap": N_("These hours overlap the ones above. Change one of them."),
        # a visit's life
        "family_has_a_visit": N_("This family already has a visit planned. Move that one instead."),
        "visit_moved_on": N_("This visit has changed since you opened the page. Look at it again; nothing was done."),
        "visit_has_started": N_(
            "This visit has begun, so it can no longer be changed or called off. Say how it went, or that it did not take place."
        ),
        "cancel_instead": N_("This visit has not begun yet. Call it off instead."),
        "already_reported": N_("One of the two has already said how this visit went. If that is wrong, correct it there."),
        "visit_not_started": N_("This visit has not begun yet. Come back once you were there."),
        "too_late_to_log": N_("Visits are written up within %(days)s days. Ask your site coordinator."),
        "not_over_yet": N_("That is still to come. Write when you left."),
        "longer_than_a_visit": N_("That would be longer than %(hours)s hours. Check the times."),
        "overlaps_visit": N_(
            "%(name)s has another visit on %(day)s from %(started)s to %(ended)s. Check the times of both visits."
        ),
        "overlaps_visit_with_family": N_(
            "%(name)s has a visit with the %(family)s family on %(day)s from %(started)s to %(ended)s. Check the times of both visits."
        ),
        "another_day": N_("That is not the day of the visit. Check the times."),
        "place_does_not_count": N_("Choose one of the places shown."),
        "not_asked": N_("You are not being asked about this visit any more."),
        "nobody_to_replace": N_("Both of you are coming; there is no place to fill."),
        "both_out": N_("Neither of the two can come. Cancel this visit and book a new one."),
        "already_asked": N_("%(name)s was already asked for this visit. Choose someone else."),
        "already_out": N_("This is known already. Choose someone to stand in."),
        "changed_meanwhile": N_("Something changed a moment ago, so nothing was done. Look at the page again."),
        "account_changed": N_("What your partner said has changed. Read it again, then agree."),
        "not_held_yet": N_("There is room to reflect once both of you have said that you met."),
        "say_what_happened": N_("Say whether you met the family."),
    }
)
# fmt: on


def sentence(problem: Problem) -> str:
    """What a person reads about `problem`: its own words, with its values as the reader's language writes them.

    A field may have words of its own (``code:field``): two empty fields do not read alike in the list on top.
    """
    words = SENTENCES.get(problem.code, N_("This cannot be done like this. Change something, or ask your coordinator."))
    words = SENTENCES.get(f"{problem.code}:{problem.field}", words)
    return str(gettext(words, **{name: _shown(value) for name, value in problem.params.items()}))


def _shown(value: object) -> object:
    from homevisits.web import formats  # formats needs a request's language; the sentences themselves do not

    if isinstance(value, time):
        return formats.hour(value)
    return formats.day(value) if isinstance(value, date | datetime) else value
