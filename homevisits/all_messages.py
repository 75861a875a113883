"""Register the message types of every feature, and apply the settings of an installation to them."""

from homevisits.core.settings import InvalidSettings, Settings
from homevisits.inbox import message_types as inbox
from homevisits.invitations import message_types as invitations
from homevisits.messages import message_types
from homevisits.messages.templates import catalog
from homevisits.visits import message_types as visits

# In this order the Texts page lists them.
message_types.register((*invitations.MESSAGES, *visits.MESSAGES, *inbox.MESSAGES))


def apply_settings(settings: Settings) -> None:
    """Use the installation's templates. Call once when a process or command starts.

    Raises `InvalidSettings` if the policy switches off a message that is unknown or always sent.
    """
    policy = settings.policy
    problems = message_types.switch_off_problems(policy.texts_off)
    if problems:
        raise InvalidSettings([f"policy: {policy.name}: {problem}" for problem in problems])
    catalog.configure(settings.texts_folder, policy.text_wording, settings.public_url)
