"""The console provider: nothing leaves, and with real families nothing private is in the log."""

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from homevisits.messages.providers.registry import configured_providers


@pytest.mark.parametrize(("mode", "told"), [("production", False), ("development", True), ("demo", True)])
def test_the_log_holds_numbers_and_words_of_made_up_families_only(
    mode: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    provider = configured_providers(cast(Any, SimpleNamespace(provider="console", second_provider="", mode=mode)))[0]
    with caplog.at_level(logging.INFO):
        assert provider.send("+13035550142", "Tue, Oct 6, 4:30 pm", "t1").provider_message_id == "console-t1"
    assert ("+13035550142" in caplog.text) is told
    assert ("4:30" in caplog.text) is told
