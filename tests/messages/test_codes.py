"""What codes mean: the table of what to do, whole, and nothing outside it taken for known."""

import pytest

from homevisits.messages.providers.error_codes import (
    ACCOUNT_WIDE,
    ERROR_CLASSES,
    NEEDS_REGISTRATION,
    ErrorClass,
    error_class,
    is_known,
)

TABLE = {
    ErrorClass.RETRY: "429 20429 no_connection kannel_busy",
    ErrorClass.UNKNOWN: (
        "20500 20503 30410 500 502 503 504 599 no_answer unreadable_answer worker_went_away provider_bug"
    ),
    ErrorClass.OPTED_OUT: "21610",
    ErrorClass.BAD_NUMBER: "21211 21214 21604 21614 21635 30005 30006 21612",
    ErrorClass.TRANSIENT: "30003 30008 30017 30022 kannel_undelivered",
    ErrorClass.QUEUE_FULL: "21611 30001",
    ErrorClass.DAILY_CAP: "30023 30027 63038",
    ErrorClass.TOO_LATE: "30036",
    ErrorClass.CONTENT: "30007 30004 21617 21602",
    ErrorClass.ACCOUNT: "20003 20005 30002 21606 21703 21705 30032 30034 21408 401 403",
    ErrorClass.REJECTED: "kannel_not_routable kannel_smsc_rejected kannel_refused",
}


@pytest.mark.parametrize("kind", list(ErrorClass))
def test_every_code_of_the_design_has_its_kind(kind: ErrorClass) -> None:
    for code in TABLE[kind].split():
        assert (error_class(code), is_known(code)) == (kind, True), code


def test_the_table_holds_no_other_code() -> None:
    assert set(ERROR_CLASSES) <= {code for codes in TABLE.values() for code in codes.split()}


@pytest.mark.parametrize("code", ["99999", "", "400", "404", "418", "5000", "50", "5o3", "٥٠٣", "sent", " 21610"])
def test_a_code_without_a_rule_is_a_refusal_that_a_person_is_told(code: str) -> None:
    assert (error_class(code), is_known(code)) == (ErrorClass.REJECTED, False)


def test_what_ails_a_whole_account_or_waits_for_registration_is_trouble_with_the_account() -> None:
    assert {error_class(code) for code in ACCOUNT_WIDE | NEEDS_REGISTRATION} == {ErrorClass.ACCOUNT}
