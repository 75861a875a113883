"""Problem code -> the sentence a person reads, in their language. Each says what to do, and blames nobody."""

from datetime import date, datetime
from types import MappingProxyType

from flask_babel import gettext

from homevisits.problems import Problem


def N_(message: str) -> str:  # noqa: N802 - the name that pybabel looks for
    """Mark a sentence for translation; it is translated when it is read."""
    return message


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
        "not_a_number": N_("Write a number here, such as 60.00."),
        "not_a_day": N_("Write a day here, such as 10/06/2026."),
        "not_a_choice": N_("Choose one of the answers shown."),
        "too_long": N_("Write at most %(most)s characters."),
        # pay
        "rule_amount": N_("Write an amount above $0.00 and at most $10,000.00, with cents, such as 60.00."),
        "rule_starts_in_past": N_("A new rule starts today or later. Pay for past visits stays as it was."),
        "rule_starts_taken": N_(
            "A rule already starts on this day. Choose another day."
        ),
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
        "no_caregiver": N_("No caregiver is named for this student, so nobody can be asked. Name one there."),
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
        "school_unknown": N_("No school has the number %(found)s. Import the roster first."),
        "yes_or_no": N_("“%(found)s” is neither yes nor no: write Y or N, 1 or 0."),
        "portion_of_day": N_("“%(found)s” is not a part of a day between 0 and 1."),
        "days_not_a_number": N_("“%(found)s” is not a number of days or a year."),
        "more_absent_than_enrolled": N_("More days absent than enrolled. Correct it in the student system."),
        "no_school_that_day": N_("There was no school on %(found)s by the calendar; the line was left out."),
        "student_day_twice": N_("Some students have several lines on one day (%(number)s); an absence counts first."),
        # drawing and asking
        "nobody_to_draw_from": N_("Nobody is enrolled there. Choose the school, a grade or a class."),
        "draw_how_many": N_("Write how many families to draw: 1 or more."),
        "redraw_needs_reason": N_("There is a draw for these families already. Say why you draw again; the first is kept."),
        "nobody_left_to_ask": N_("Every family of this draw is asked. Nothing more to do here."),
        "draw_was_replaced": N_("This draw was replaced by a newer one. Ask the families of the newer draw."),
        "not_the_next_family": N_("Someone else asked this family a moment ago. The page now shows the next one."),
        "say_how": N_("Say how the family told you: by phone, in person or on paper."),
        # trainings and willingness
        "trainer_educator_missing": N_("Name the educator who led the training."),
        "trainer_parent_missing": N_("Name the parent who led the training together with the educator."),
        "trainers_same": N_("A training is led by two different people, an educator and a parent."),
        "training_future": N_("Record a training on its day or after it, not before."),
        "training_minutes": N_("Write how long the training was, between 30 minutes and 16 hours."),
        "training_nobody": N_("Choose at least one person who took part."),
        "not_of_your_schools": N_("Someone chosen does not work at one of your schools. Choose again."),
        "not_an_educator": N_("Only educators opt in; this account belongs to none."),
    }
)


def sentence(problem: Problem) -> str:
    """What a person reads about `problem`: its own words, with its values as the reader's language writes them."""
    words = SENTENCES.get(problem.code, N_("This cannot be done like this. Change something, or ask your coordinator."))
    return str(gettext(words, **{name: _shown(value) for name, value in problem.params.items()}))


def _shown(value: object) -> object:
    from homevisits import formats  # formats needs a request's language; the sentences themselves do not

    return formats.day(value) if isinstance(value, date | datetime) else value
