"""Everything that can be done to a visit, one file per verb. Each gathers, judges, records; none commits.

=============  =======================================================================================
book           a pair and a time for a family that said yes; the partner is asked
answer         the partner accepts or declines
family         the family confirms, wants another time, says not now, asks for a call; by any channel
look           which times suit, and why others are closed; records nothing
move           another time, same pair; the partner is asked again, then the family
cancel         by either side, no reason asked
partner        one of the pair cannot come; a stand-in takes the place. Never solo
mark_not_held  from its start on and before any report: it did not take place; no message
attest         "we met" by one, agreed or corrected by the other; nobody home; on the way
reflect        what I learned and what I will do
remind         one's own number for texts about one's visits
tidy           what time and withdrawals undo: run by the worker, and after every withdrawal
seats          places in a team with their proofs and the time they take (used by the verbs)
record         one line of history, the plan of texts, what the database says (used by the verbs)
=============  =======================================================================================
"""

from homevisits.visits.actions.apply_withdrawals import tidy
from homevisits.visits.actions.attest import Said, agree, attest, on_the_way
from homevisits.visits.actions.book import Wanted, book
from homevisits.visits.actions.cancel import cancel
from homevisits.visits.actions.family_response import Heard, family_answers, plan_after_new_yes, tell_time
from homevisits.visits.actions.find_times import Offer, Offered, StandIn, check, look, look_again, stand_ins
from homevisits.visits.actions.mark_not_held import mark_not_held
from homevisits.visits.actions.move import move
from homevisits.visits.actions.partner_response import accept, decline
from homevisits.visits.actions.reflect import reflect
from homevisits.visits.actions.reminder_phone import give_phone
from homevisits.visits.actions.replace_partner import cannot_come, replace_partner

__all__ = [
    "Heard",
    "Offer",
    "Offered",
    "Said",
    "StandIn",
    "Wanted",
    "accept",
    "agree",
    "attest",
    "book",
    "cancel",
    "cannot_come",
    "check",
    "decline",
    "family_answers",
    "give_phone",
    "look",
    "look_again",
    "mark_not_held",
    "move",
    "on_the_way",
    "plan_after_new_yes",
    "reflect",
    "replace_partner",
    "stand_ins",
    "tell_time",
    "tidy",
]
