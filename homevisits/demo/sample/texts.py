"""Sample texts: answers of families and reflections of educators."""

ANSWERS = (("1", 64), ("3", 12), ("2", 6), ("9", 4), ("", 14))
"""Digits that families reply with, and their frequency in percent; empty means no reply."""

LEARNED = (
    "Her grandmother taught her to read with the fishing almanac.",
    "He builds radios with his uncle and can explain every part.",
    "They speak three languages at the table and switch in the middle of a joke.",
    "She wants to be a nurse like the neighbor who helped when her brother was born.",
    "The whole family cooks on Sundays, and he measures everything.",
    "Her father was a teacher before they came here and misses it.",
    "He is quiet in class; at home he tells the stories.",
    "She teaches her little sister every afternoon what she learned that day.",
)
STRENGTHS = (
    "Patience with little ones.",
    "They plan the week together.",
    "Stories, and a memory for them.",
    "They ask good questions.",
    "Music: everyone plays something.",
)
WILL_DO = (
    "Use the almanac in our reading corner.",
    "Ask him to show the class how a radio works.",
    "Begin the day with a greeting in each family's language.",
    "Invite her father to tell us about his old school.",
    "Begin fractions with a recipe.",
    "Give her a reading buddy in the first grade.",
)
