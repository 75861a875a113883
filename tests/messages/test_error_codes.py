import pytest

from homevisits.messages.providers.error_codes import (
    ACCOUNT_WIDE,
    ERROR_CLASSES,
    NEEDS_REGISTRATION,
    ErrorClass,
    error_class,
    is_known,
)

CODES_BY_CLASS = {
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


@pytest.mark.parametrize("expected_class", list(ErrorClass))
def test_error_code_has_its_class(expected_class: ErrorClass) -> None:
    for code in CODES_BY_CLASS[expected_class].split():
        assert (error_class(code), is_known(code)) == (expected_class, True), code


def test_error_classes_contain_no_other_code() -> None:
    assert set(ERROR_CLASSES) <= {code for codes in CODES_BY_CLASS.values() for code in codes.split()}


@pytest.mark.parametrize("code", ["99999", "", "400", "404", "418", "5000", "50", "5o3", "٥٠٣", "sent", " 21610"])
def test_code_without_a_rule_is_rejected_and_unknown(code: str) -> None:
    assert (error_class(code), is_known(code)) == (ErrorClass.REJECTED, False)


def test_account_wide_and_registration_codes_are_account_errors() -> None:
    assert {error_class(code) for code in ACCOUNT_WIDE | NEEDS_REGISTRATION} == {ErrorClass.ACCOUNT}
