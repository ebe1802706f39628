"""A log line holds codes, ids and counts; never what a person said, whoever logs it."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest

from smart_app import logs

Lines = Callable[[], list[str]]
_log = logs.get_logger("smart_app.test")


@pytest.fixture(params=["json", "plain"])
def lines(request: pytest.FixtureRequest) -> Iterator[Lines]:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.set_up_logs(request.param, "INFO", stream)
    yield lambda: stream.getvalue().splitlines()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_line_with_code_and_values(lines: Lines) -> None:
    with logs.correlation("request-7"):
        logs.log_event(_log, "row-sent", row_id="r-1", http_status=201, attempt=None)
    [line] = lines()
    for part in ("row-sent", "r-1", "201", "request-7", "INFO"):
        assert part in line
    assert "attempt" not in line


def test_a_json_line_is_an_object() -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers = root.handlers[:]
    logs.set_up_logs("json", "INFO", stream)
    logs.log_event(_log, "row-sent", row_id="r-1\nforged line")
    root.handlers[:] = handlers
    values = json.loads(stream.getvalue())
    assert (values["event"], values["level"], values["row_id"]) == ("row-sent", "INFO", "r-1\nforged line")


def test_a_value_cannot_begin_a_line_of_its_own(lines: Lines) -> None:
    logs.log_event(_log, "row-sent", row_id="r-1\nforged line")
    assert len(lines()) == 1


def test_a_name_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="patient_name"):
        logs.log_event(_log, "row-sent", patient_name="x")


def test_an_exception_tells_type_and_place_and_never_its_words(lines: Lines) -> None:
    def fail() -> None:
        raise LookupError("PATIENT-WORDS")

    try:
        fail()
    except LookupError as error:
        logs.log_failure(_log, "page-failed", error, route="/launch")
    text = "\n".join(lines())
    assert "LookupError" in text
    assert "test_logs.py" in text
    assert "PATIENT-WORDS" not in text


def test_of_a_librarys_line_only_its_place_is_told(lines: Lines) -> None:
    library = logging.getLogger("some.library")
    library.warning("the patient is %s", "PATIENT-WORDS")
    library.warning("PATIENT-WORDS in the format itself")
    library.error("failed", exc_info=ValueError("PATIENT-WORDS"))
    _log.info("PATIENT-WORDS without log_event")
    text = "\n".join(lines())
    assert "PATIENT-WORDS" not in text
    assert text.count("library-message") == 4
    assert "test_logs.py" in text


def test_a_library_is_heard_from_warning_on(lines: Lines) -> None:
    logging.getLogger("some.library").info("quiet")
    assert lines() == []


def test_a_long_value_is_cut(lines: Lines) -> None:
    logs.log_event(_log, "row-sent", row_id="x" * 10_000)
    assert len(lines()[0]) < 500


def test_the_inner_correlation_goes_first_and_the_outer_comes_back() -> None:
    assert logs.find_correlation_id() is None
    with logs.correlation("outer"):
        with logs.correlation("inner"):
            assert logs.find_correlation_id() == "inner"
        assert logs.find_correlation_id() == "outer"
    assert logs.find_correlation_id() is None


def test_a_crash_tells_type_and_place_and_never_its_words(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own hooks print an exception's words to standard error, which is the log."""
    for module in (sys, threading):
        monkeypatch.setattr(module, "excepthook", module.excepthook)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def fail() -> None:
        raise ValueError("Delgado")

    logs.log_crashes()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    logging.captureWarnings(capture=False)

    assert len(lines()) == 2
    for line in lines():
        assert "crashed" in line
        assert "ValueError" in line
        assert "fail" in line
        assert "Delgado" not in line
