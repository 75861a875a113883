"""The five core practices of the model: pure, never configurable. What is asked at which moment:

====================  ============================================================================================
moment                what is asked
====================  ============================================================================================
a family is asked     `no_targeting.asked_in_order`: the next of a recorded draw, or the family's own request
a time is looked for  `voluntary.everyone_said_yes`, `voluntary.arranged_in_advance`,
and a visit booked    `trained_and_paid.certified_on_the_day`, `no_targeting.fairly_asked`,
                      `hopes_and_dreams.relationship_first`, `pairs_and_reflection.two_adults`
a partner accepts     the same six again: anyone may have left, and the family's notice begins when it is told
a visit is moved      the same six, for the new day; a certificate may end in between
a partner falls ill   the visit stops being fixed (`two_adults`); a stand-in is judged as one who accepts
a family answers      `voluntary.a_no_needs_no_reason`: another time, or not now, ends what was planned
it is written up      `pairs_and_reflection.nothing_written_during`, `went_together`
it is attested        `certified_on_the_day` for those who went, `went_together`, `both_agree`
afterwards            `pairs_and_reflection.reflections_due`, `trained_and_paid.paid_or_says_why`
====================  ============================================================================================

`facts.py` holds the plain facts they are asked about. A policy profile may set how many hours of notice, how many of
the pair must be certified; it can never switch a practice off. What these functions explain, the database guarantees.
"""
