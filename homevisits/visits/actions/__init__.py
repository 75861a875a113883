"""Actions on visits, a module for each verb. An action locks, checks, then records; it never commits.

===================  ================================================================================
book                 book a pair and a time for a family that agreed; the partner is asked
partner_response     the partner accepts or declines
family_response      a family confirms, asks for another time or a call, or refuses; by any channel
find_times           list possible times and why other days are closed; records nothing
move                 another time for the same pair; the partner and then the family are asked again
cancel               cancel by a member of the pair or a coordinator; no reason is asked
replace_partner      an educator cannot come; a stand-in takes the place
mark_not_held        close a visit that did not take place, before any report; no message
attest               report a visit; agree with the partner's report; on the way
reflect              write one's own reflection
reminder_phone       an educator's own number for messages about their visits
apply_withdrawals    apply opt-outs, withdrawals and deadlines; run by the worker and after a withdrawal
arrangement_checks   the list of checks for who goes, when and where (used by the other modules)
team                 places in a team, their proofs and commitments (used by the other modules)
effects              history, planned messages, database refusals (used by the other modules)
===================  ================================================================================
"""

from homevisits.visits.actions.apply_withdrawals import apply_withdrawals
from homevisits.visits.actions.attest import Report, agree, attest, on_the_way
from homevisits.visits.actions.book import BookingRequest, book
from homevisits.visits.actions.cancel import cancel
from homevisits.visits.actions.family_response import (
    ResponseResult,
    plan_messages_after_new_yes,
    record_family_answer,
    send_current_time,
)
from homevisits.visits.actions.find_times import (
    AvailableTimes,
    StandIn,
    TimeOption,
    check_booking,
    find_new_times,
    find_stand_ins,
    find_times,
)
from homevisits.visits.actions.mark_not_held import mark_not_held
from homevisits.visits.actions.move import move
from homevisits.visits.actions.partner_response import accept, decline
from homevisits.visits.actions.reflect import reflect
from homevisits.visits.actions.reminder_phone import save_reminder_phone
from homevisits.visits.actions.replace_partner import cannot_come, replace_partner

__all__ = [
    "AvailableTimes",
    "BookingRequest",
    "Report",
    "ResponseResult",
    "StandIn",
    "TimeOption",
    "accept",
    "agree",
    "apply_withdrawals",
    "attest",
    "book",
    "cancel",
    "cannot_come",
    "check_booking",
    "decline",
    "find_new_times",
    "find_stand_ins",
    "find_times",
    "mark_not_held",
    "move",
    "on_the_way",
    "plan_messages_after_new_yes",
    "record_family_answer",
    "reflect",
    "replace_partner",
    "save_reminder_phone",
    "send_current_time",
]
