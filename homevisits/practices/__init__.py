"""The five core practices of the home visit model as pure functions. No setting can turn a practice off.

Each check returns the problems it found; an empty list means that the practice is kept. Where they are called:

======================  ==========================================================================================
moment                  checks
======================  ==========================================================================================
invite a family         `no_targeting.check_draw_order`, or the family's own request
find a time and book    `voluntary.check_consent`, `voluntary.check_minimum_notice`,
                        `trained_and_paid.check_certified_on_day`, `no_targeting.check_fairly_selected`,
                        `hopes_and_dreams.check_first_visit_comes_first`, `pairs_and_reflection.check_two_adults`
partner accepts         the same six again: consent may have changed, and the notice starts when the family is informed
visit is moved          the same six for the new day: a certificate may expire in between
partner is replaced     the visit is not confirmed until the replacement accepts; the same six checks apply
family answers          `voluntary.is_cancelling_answer`: "another time" or "not now" cancels the visit
notes are written       `pairs_and_reflection.check_nothing_written_during_visit`
visit is reported       `check_certified_on_day` for those who went, `check_report`, `check_reports_agree`
after the visit         `pairs_and_reflection.find_missing_reflections`, `trained_and_paid.check_everyone_paid`
======================  ==========================================================================================

`facts.py` holds the values that the checks take. A policy profile sets the hours of notice and how many of the pair
must be certified. Database constraints enforce the same rules. This package depends on `core.problems` only.
"""
