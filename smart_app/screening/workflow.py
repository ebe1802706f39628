"""The use cases of giving, reviewing and signing, in the order in which they happen: the table of contents.

| step | use cases |
|---|---|
| launch | begin_launch, finish_launch, open_session, audit_refused_request, log_out |
| overview | view_home, view_history, view_worklist |
| start | view_start, find_usual_giving, start_screening |
| give | view_form, save_answers, carry_answer, hand_in, view_hand_in, stop_screening |
| alerts | view_alert, close_alert, hand_over_alert, ask_again, add_to_alert |
| review | view_review, reopen_screening, reject_screening, set_comment, save_note, renew_note |
| visit | view_encounters, choose_encounter |
| sign | sign_screening, co_sign, finish_writing, view_outcome, view_unfinished, decide_unfinished |

Each takes ``Services`` and ``Acting`` first, checks the right, touches this launch's patient only, and commits its
audit events with the change; a refusal is audited on its own (smart_app/access.py).
"""

from smart_app.notes.workflow import renew_note, save_note
from smart_app.screening.alerts import add_to_alert, ask_again, close_alert, hand_over_alert, view_alert
from smart_app.screening.carrying import carry_answer
from smart_app.screening.encounters import choose_encounter, view_encounters
from smart_app.screening.ending import log_out
from smart_app.screening.form import view_form, view_hand_in
from smart_app.screening.handing_in import hand_in
from smart_app.screening.history import view_history
from smart_app.screening.home import view_home
from smart_app.screening.launching import begin_launch, finish_launch, open_session
from smart_app.screening.outcome import view_outcome
from smart_app.screening.refusing import audit_refused_request
from smart_app.screening.review import view_review
from smart_app.screening.reviewing import reject_screening, reopen_screening, set_comment, stop_screening
from smart_app.screening.saving import save_answers
from smart_app.screening.signing import co_sign, finish_writing, sign_screening
from smart_app.screening.starting import find_usual_giving, start_screening, view_start
from smart_app.screening.unfinished import decide_unfinished, view_unfinished
from smart_app.screening.worklist import view_worklist

__all__ = [
    "add_to_alert",
    "ask_again",
    "audit_refused_request",
    "begin_launch",
    "carry_answer",
    "choose_encounter",
    "close_alert",
    "co_sign",
    "decide_unfinished",
    "find_usual_giving",
    "finish_launch",
    "finish_writing",
    "hand_in",
    "hand_over_alert",
    "log_out",
    "open_session",
    "reject_screening",
    "renew_note",
    "reopen_screening",
    "save_answers",
    "save_note",
    "set_comment",
    "sign_screening",
    "start_screening",
    "stop_screening",
    "view_alert",
    "view_encounters",
    "view_form",
    "view_hand_in",
    "view_history",
    "view_home",
    "view_outcome",
    "view_review",
    "view_start",
    "view_unfinished",
    "view_worklist",
]
