"""Console provider: sends nothing and, in production, logs no personal data."""

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from homevisits.messages.providers.registry import configured_providers


@pytest.mark.parametrize(("mode", "is_logged"), [("production", False), ("development", True), ("demo", True)])
def test_log_contains_phone_and_body_only_outside_production(
    mode: str, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    provider = configured_providers(cast(Any, SimpleNamespace(provider="console", second_provider="", mode=mode)))[0]
    with caplog.at_level(logging.INFO):
        assert provider.send("+13035550142", "Tue, Oct 6, 4:30 pm", "t1").provider_message_id == "console-t1"
    assert ("+13035550142" in caplog.text) is is_logged
    assert ("4:30" in caplog.text) is is_logged
