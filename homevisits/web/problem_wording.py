"""The message of every problem code. Each explains what to do, without blame."""

from datetime import date, datetime, time
from types import MappingProxyType

from flask_babel import gettext

from homevisits.core.languages import N_
from homevisits.core.problems import Problem

# fmt: off
SENTENCES = MappingProxyType(
    {
        # sign-in and account
        "sign_in_failed": N_("That e-mail and password don’t match. Check both and try again."),
        "too_many_attempts": N_("Too many attempts. Try again in %(minutes)s minutes."),
        "password_wrong": N_("That isn’t your current password. Try again."),
        "password_short": N_("Choose a password of at least %(least)s characters. A short sentence works well."),
        "password_long": N_("Choose a password of at most %(most)s characters."),
        "password_same": N_("Choose a password that is different from the current one."),
        "password_is_name": N_("Choose a password that is not your own name or sign-in name."),
        "passwords_differ": N_("The two new passwords don’t match. Enter both again."),
        # accounts, on the command line
        "email_wrong": N_("Enter an e-mail address, such as name@district.org."),
        "account_exists": N_("%(email)s already has an account."),
        "educator_missing": N_("Enter the roster id of the educator this account belongs to."),
        "educator_unknown": N_("The roster has no educator with the id %(found)s."),
        "educator_has_account": N_("Educator %(found)s already has an account."),
        "school_unknown": N_("The roster has no school with the id %(found)s."),
        # forms
        "missing": N_("Fill in this field."),
        "missing:learned": N_("Enter what you learned."),
        "missing:will_do": N_("Enter what you will do."),
        "missing:started": N_("Enter when you arrived."),
        "missing:ended": N_("Enter when you left."),
        "missing:title": N_("Enter the name of the training."),
        "missing:held_on": N_("Choose the day of the training."),
        "missing:hours": N_("Enter the number of hours."),
        "missing:parent_given": N_("Enter the parent’s first name."),
        "missing:parent_family": N_("Enter the parent’s last name."),
        "not_a_number": N_("Enter a number, such as 60.00."),
        "not_a_number:hours": N_("Enter hours as a number, such as 6 or 6.5."),
        "not_a_day": N_("Enter a date, such as 10/06/2026."),
        "not_a_choice": N_("Choose one of the answers."),
        "not_a_choice:family": N_("Choose the family."),
        "not_a_choice:answer": N_("Choose what the family said."),
        "not_a_choice:how": N_("Choose how: by phone, in person or in writing."),
        "too_long": N_("Use at most %(most)s characters."),
        # pay
        "rule_amount": N_("Enter an amount above $0.00 and at most $10,000.00, with cents, such as 60.00."),
        "rule_starts_in_past": N_("A new rule must start today or later. Pay for past visits does not change."),
        "rule_starts_taken": N_("A rule already starts on this day. Choose another day."),
        "rule_minimum": N_("Enter a minimum time between 0 and 480 minutes."),
        "rule_rounding": N_("Choose how minutes are rounded up: 1, 5, 6, 10, 15, 30 or 60."),
        "rule_clause": N_("Enter the contract clause. Every payment will refer to it."),
        "rule_code": N_("Enter the payroll code: letters, digits and dashes only, at most 20."),
        "nothing_chosen": N_("Choose at least one claim."),
        "claim_changed": N_(
            "Someone else just decided on one of these claims. Check the list again, then choose."
        ),
        "own_claim": N_("You cannot approve your own pay. Another coordinator has to."),
        "approved_by_you": N_("You approved one of these for the school. Someone else has to approve it for the union."),
        "comment_missing": N_("Enter a sentence about what to check, so that the next person knows what to do."),
        "period_backwards": N_("The last day is before the first. Choose the days again."),
        "period_empty": N_("There is no approved pay for these days. Choose other days, or approve claims first."),
        # files handed in: the roster and its supplement
        "package_missing": N_("File or folder not found."),
        "package_not_zip": N_("This is not a folder or a zip file."),
        "package_broken": N_("This zip file is damaged or protected by a password. Export it again."),
        "package_too_many": N_("This zip file has too many files to be a roster."),
        "package_too_large": N_("This file is larger than a roster can be. Nothing was read."),
        "package_unsafe_path": N_("A file path in this package points outside the package. Nothing was read."),
        "package_file_twice": N_("This file is in the package twice. Keep only one."),
        "file_missing": N_("This file is missing from the package."),
        "file_not_utf8": N_("This line is not UTF-8 text. Export the file as UTF-8."),
        "file_empty": N_("This file is empty; it needs at least its header line."),
        "column_missing": N_("The header row does not have this column."),
        "column_twice": N_("The header row has this column twice."),
        "row_quotes": N_("A quotation mark on this line is not closed or is in the wrong place."),
        "row_width": N_("This line has %(found)s fields; the header has %(expected)s."),
        "field_line_break": N_("A field contains a line break."),
        "field_control_character": N_("A field contains a character that cannot be printed."),
        "field_too_long": N_("A field is longer than %(limit)s characters."),
        "manifest_missing": N_("The package has no manifest; all of its files were read as complete (bulk)."),
        "manifest_version": N_("OneRoster %(found)s is not supported. Export OneRoster 1.1."),
        "manifest_value": N_("“%(found)s” must be bulk, delta or absent."),
        "manifest_delta": N_("%(about)s has only changes (delta). Export the whole roster (bulk)."),
        "manifest_promises": N_("The manifest lists %(about)s, but it is not in the package."),
        "value_missing": N_("This field must not be empty."),
        "value_unknown": N_("“%(found)s” is not allowed in this column."),
        "date_unreadable": N_("“%(found)s” is not a date like 2026-09-01."),
        "ends_before_begin": N_("The end date is before the start date."),
        "id_twice": N_("The id %(id)s is already on line %(first)s."),
        "id_unknown": N_("No record in the package has the id %(found)s."),
        "row_deleted": N_("This line is marked as deleted and was skipped."),
        "school_not_of_class": N_("This class belongs to another school."),
        "second_district": N_("The package has more than one district. Import one district."),
        "other_district": N_("This roster is for district %(found)s, but this installation is for %(known)s."),
        "student_without_school": N_("This student does not belong to any school in the package."),
        "educator_without_school": N_("This person does not belong to any school and was skipped."),
        "grade_missing": N_("This student has no grade."),
        "role_does_not_fit": N_("“%(found)s” does not match this person’s role; the line was skipped."),
        "agent_no_caregiver": N_("%(found)s is not a student’s caregiver; the link was skipped."),
        "no_caregiver": N_("This student has no caregiver on file, so no one can be invited. Add one in the student system."),
        "caregiver_of_nobody": N_("This caregiver is not linked to any student and was skipped."),
        "phone_unreadable": N_("This is not a phone number; it was skipped. Correct it in the student system."),
        "email_shared": N_("Several people share %(found)s; it was skipped."),
        "payroll_shared": N_("Several people share the payroll number %(found)s; it was skipped."),
        "language_unknown": N_("“%(found)s” is not a language code such as eng or es."),
        "student_unknown": N_("No student has the number %(found)s. Import the roster first."),
        "supplement_differs": N_("Children in this household have different values here; the first was kept."),
        # attendance and demographics files
        "attendance_file_unknown": N_("An attendance file must have one of four names, such as attendance_events.csv."),
        "attendance_files_missing": N_("None of the four attendance files is here, such as attendance_events.csv."),
        "attendance_code_unknown": N_("“%(found)s” is not one of the attendance codes. Add it to attendance_codes.csv."),
        "school_number_unknown": N_("No school has the number %(found)s. Import the roster first."),
        "yes_or_no": N_("“%(found)s” must be Y or N, 1 or 0."),
        "portion_of_day": N_("“%(found)s” must be a part of a day between 0 and 1."),
        "days_not_a_number": N_("“%(found)s” is not a number of days or a year."),
        "more_absent_than_enrolled": N_("There are more days absent than enrolled. Correct it in the student system."),
        "no_school_that_day": N_("By the calendar, there was no school on %(found)s; the line was skipped."),
        "student_day_twice": N_("Some students have several lines on one day (%(number)s); if one is an absence, it counts."),
        # drawing and asking
        "nobody_to_draw_from": N_("No one is enrolled there. Choose the school, a grade or a class."),
        "count_out_of_range": N_("Enter how many families to ask: from 1 to %(most)s."),
        "sample_size_missing": N_("Enter how many families to draw: 1 or more."),
        "redraw_needs_reason": N_(
            "There is already a draw for these families. Enter why you are drawing again; the first draw is kept."
        ),
        "nobody_left_to_ask": N_("Every family in this draw has been asked. There is nothing more to do here."),
        "draw_was_replaced": N_("This draw was replaced by a newer one. Ask the families of the newer draw."),
        "not_the_next_family": N_("Someone else just asked this family. This page now shows the next one."),
        "how_missing": N_("Choose how the family told you: by phone, in person or in writing."),
        # replies to families' messages
        "missing:body": N_("Enter your reply."),
        "missing:urgent_reason": N_("Enter in a few words why it is urgent."),
        "not_a_choice:language": N_("Choose the language you write in."),
        "not_a_choice:canned": N_("This reply is not available in this language. Write your own."),
        "not_a_choice:account": N_("This person cannot see this conversation. Choose someone from the list."),
        "written_names_child": N_("Your text has a child’s full name. Use the first name or “your child”: other people may see it."),
        "written_says_address": N_("Your text has an address. Leave it out: a text may reach the wrong phone."),
        "written_asks_for_a_word": N_("Your text asks for a word such as YES or NO. Phone companies treat those as commands. Ask an open question."),
        "written_loose_brace": N_("Leave out the braces { and }."),
        "written_too_long": N_("This would be %(parts)s texts; the limit is two. Make it shorter."),
        "written_staff_number": N_("Your text has a colleague’s own number. Leave it out: families call the school."),
        "question_is_over": N_("Our question has already been answered or is out of date. Write to the family, or call."),
        "texting_ended": N_("This family gets no more texts. Call instead."),
        "not_to_be_texted": N_("The roster says not to contact the person with this number. Ask the school office."),
        "phone_gets_no_texts": N_("Texts do not reach this number. Call instead."),
        "how_told_missing": N_("Choose how they told you: by phone, in person, by letter or online."),
        "opted_out_at_provider": N_("The provider is blocking texts to this number. Only the family can undo this, by texting START."),
        # trainings and willingness
        "trainer_educator_missing": N_("Choose the educator who led the training."),
        "trainer_parent_missing": N_("Choose or enter the parent who led the training with the educator."),
        "trainers_same": N_("A training must be led by two different people, an educator and a parent."),
        "training_future": N_("Record a training on its day or after it, not before."),
        "training_minutes": N_("Enter how long the training was, between 30 minutes and 16 hours."),
        "participants_missing": N_("Choose at least one person who took part."),
        "not_of_your_schools": N_("Someone you chose does not work at any of your schools. Choose again."),
        "not_an_educator": N_("Only educators can take part; this is not an educator’s account."),
        # messages: failed messages, quiet days, senders
        "text_too_late": N_("It is too late to send this text. Call instead."),
        "text_bad_phone": N_("This number cannot get texts. Call instead."),
        "text_not_known": N_("It may have arrived, so it is not sent twice. Call instead."),
        "text_repeated": N_("The same text already went to this phone today. Call instead."),
        "quiet_day_past": N_("That day is over. Choose today or a later day."),
        "quiet_day_far": N_("That is more than two years away. Choose an earlier day."),
        "quiet_days_many": N_("Choose at most %(most)s days at a time."),
        "missing:name": N_("Enter a name."),
        "missing:note": N_("Enter why it is not needed."),
        "missing:brand_id": N_("Enter the brand id. It is required for the registration."),
        "missing:campaign_id": N_("Enter the campaign or verification id. It is required for the registration."),
        "not_a_phone": N_("Enter a phone number with its area code, such as (651) 555-0142."),
        "guest_is_family": N_("This is a family’s number. During a trial, only staff get texts."),
        "sender_id": N_("Enter the id as your provider shows it: letters and digits only."),
        "sender_speed": N_("Enter how many parts per second it may send: above 0, at most %(most)s."),
        "sender_day": N_("Enter how many parts per day it may send, as a whole number, or leave it empty."),
        # the five practices
        "family_has_not_said_yes": N_("This family has not said yes to a visit, or has since said not now."),
        "family_yes_lapsed": N_(
            "This family’s yes no longer counts. Before the visit, your site coordinator must ask the family again."
        ),
        "no_caregiver_may_consent": N_(
            "The student system lists no caregiver of this family who can say yes. Ask the office to correct it first."
        ),
        "educator_not_opted_in": N_("%(name)s is not taking part in home visits right now."),
        "too_soon": N_("Families need at least %(hours)s hours of notice. Choose a later time."),
        "not_certified_on_the_day": N_("%(name)s is not certified on %(day)s. Choose another day or someone else."),
        "went_unpaid": N_("Someone who went has no pay and no reason why not."),
        "not_fairly_asked": N_("This family was not drawn and did not ask for a visit."),
        "not_next_in_the_draw": N_("Families are asked in the order drawn; number %(next)s is next."),
        "second_before_first": N_("A second visit can only follow a first visit that was held."),
        "first_already_held": N_("The first visit to this family was already held. The next is a second visit."),
        "never_alone": N_("Two people make a visit together. Choose a partner."),
        "same_person_twice": N_("Two different people make a visit. Choose a partner."),
        "visit_is_running": N_("You can write your reflection after the visit. First report that you met."),
        "only_the_pair_attests": N_("Only the two people on this visit can report how it went."),
        "ends_before_it_starts": N_("The end is before the start. Change one of them."),
        "attested_by_one": N_("Your partner still has to confirm."),
        "accounts_differ": N_("Your two reports differ. Compare them, then one of you confirms the other’s."),
        # times
        "outside_their_hours": N_("%(name)s isn’t available at that time. Choose another time."),
        "already_taken": N_("%(name)s is busy at that time. Choose another time."),
        "just_taken": N_("Someone just booked that time. Choose another time."),
        "no_hours_that_day": N_("%(name)s isn’t available that day."),
        "school_closed": N_("The school is closed on %(day)s: %(name)s."),
        "too_far_ahead": N_("Visits can be planned at most %(days)s days ahead."),
        "not_on_the_quarter_hour": N_("Visits start on the quarter hour, such as 4:00 or 4:15. Choose such a time."),
        "not_a_time": N_("Choose one of the times on the page."),
        "hour_does_not_exist": N_("Clocks move forward past this time on that day. Enter another time."),
        "hours_backwards": N_("The end is before the start. Change one of them."),
        "hours_incomplete": N_("Enter both when you can start and when you must end."),
        "hours_short": N_("That is not enough time for a %(minutes)s-minute visit."),
        "hours_overlap": N_("These hours overlap with the ones above. Change one of them."),
        # a visit's life
        "family_has_a_visit": N_("This family already has a visit planned. Move that one instead."),
        "visit_moved_on": N_("This visit has changed since you opened the page. Nothing was saved. Check it again."),
        "visit_has_started": N_(
            "This visit has started, so it can no longer be changed or canceled. Report how it went, or that it did not take place."
        ),
        "cancel_instead": N_("This visit has not started yet. Cancel it instead."),
        "already_reported": N_("One of you has already reported on this visit. If the report is wrong, correct it there."),
        "visit_not_started": N_("This visit has not started yet. Come back after the visit."),
        "too_late_to_log": N_("Visits must be reported within %(days)s days. Ask your site coordinator."),
        "not_over_yet": N_("That time hasn’t happened yet. Enter when you left."),
        "longer_than_a_visit": N_("That would be longer than %(hours)s hours. Check the times."),
        "overlaps_visit": N_(
            "%(name)s has another visit on %(day)s from %(started)s to %(ended)s. Check the times of both visits."
        ),
        "overlaps_visit_with_family": N_(
            "%(name)s has a visit with the %(family)s family on %(day)s from %(started)s to %(ended)s. Check the times of both visits."
        ),
        "another_day": N_("The visit was on another day. Check the times."),
        "place_does_not_count": N_("Choose one of the places on the page."),
        "not_asked": N_("You no longer need to answer about this visit."),
        "nobody_to_replace": N_("Both of you are coming. No stand-in is needed."),
        "both_out": N_("Neither of the two people can come. Cancel this visit and book a new one."),
        "already_asked": N_("%(name)s was already asked about this visit. Choose someone else."),
        "already_out": N_("We already know. Choose a stand-in."),
        "changed_meanwhile": N_("Something just changed, so nothing was saved. Check the page again."),
        "account_changed": N_("Your partner changed their report. Read it again, then confirm."),
        "not_held_yet": N_("You can reflect once both of you have reported that you met."),
        "outcome_missing": N_("Say whether you met the family."),
    }
)
# fmt: on


def describe_problem(problem: Problem) -> str:
    """Return the message for `problem`, with its values formatted in the user's language.

    A code can have a separate message for a field (``code:field``), so that two empty fields get different messages in
    the summary.
    """
    words = SENTENCES.get(problem.code, N_("This did not work. Change something, or ask your coordinator."))
    words = SENTENCES.get(f"{problem.code}:{problem.field}", words)
    return str(gettext(words, **{name: _shown(value) for name, value in problem.params.items()}))


def _shown(value: object) -> object:
    from homevisits.web import formats  # formats needs the language of a request, the messages themselves do not

    if isinstance(value, time):
        return formats.hour(value)
    return formats.day(value) if isinstance(value, date | datetime) else value
