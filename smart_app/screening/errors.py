"""What the use cases refuse, in words for the page."""

from smart_app.errors import AppError


class UnknownItem(AppError):
    """A save or hand-in names a linkId that the instrument does not have."""

    code = "unknown-item"
    title = "The form sent an item that this questionnaire does not have"
    remedy = "The other answers are saved. Open the form again and check it."
    http_status = 422


class UnknownOption(AppError):
    """A save or hand-in names an answer that the item does not offer."""

    code = "unknown-option"
    title = "The form sent an answer that this item does not offer"
    remedy = "The other answers are saved. Open the form again and answer the item that is marked."
    http_status = 422


class UnfitAnswer(AppError):
    """A save or hand-in holds an answer that its question does not take: no number, too long, past a limit."""

    code = "unfit-answer"
    title = "An answer does not fit its question"
    remedy = "It is not saved; the other answers are. Beside the question stands what it takes."
    http_status = 422


class AskedFormRefused(AppError):
    """The EHR asks in fhirContext for a Questionnaire that cannot be read, or that the check refuses."""

    code = "asked-form-refused"
    title = "The EHR asked for a form that this app cannot give"
    remedy = (
        "Choose another form in the overview. `smart-screening instruments check` tells IT what in it is not supported."
    )
    http_status = 422


class LaunchNotOpen(AppError):
    """No cookie, a wrong secret or an unknown launch: nothing is shown."""

    code = "launch-not-open"
    title = "This launch is not open in this browser"
    remedy = "Go back to the EHR and open the app again. What was saved is kept."
    http_status = 401


class LaunchOver(AppError):
    """The session was ended or has reached its limit."""

    code = "launch-over"
    title = "This session has ended"
    remedy = "Go back to the EHR and open the app again. What was saved is kept, and the form goes on where it stood."
    http_status = 401


class InvalidField(AppError):
    """A form field has a value that it cannot have; ``field`` names it."""

    code = "invalid-field"
    title = "Something in the form is not right"
    remedy = "Correct what the page marks, then send it again. What you typed is kept."
    http_status = 422


class NothingToCarry(AppError):
    """The answer is not offered to be carried: not the same occasion, or the item has an answer."""

    code = "nothing-to-carry"
    title = "This answer cannot be carried over"
    remedy = "Ask the question, and choose the answer that is given now."
    http_status = 409


class NoSuchInstrument(AppError):
    """The library has no such instrument."""

    code = "no-such-instrument"
    title = "There is no such questionnaire here"
    remedy = "Choose one from the overview."
    http_status = 404


class SigningBlocked(AppError):
    """Something must be settled before signing; ``field`` is the blocker's code, the page lists them in words."""

    code = "signing-blocked"
    title = "You cannot sign yet"
    remedy = "Settle what the page lists before the sign button. Nothing was signed."
    http_status = 409


class DraftTooOld(AppError):
    """An unfinished form has passed the site's limit: it is stopped, with its answers and alerts kept."""

    code = "draft-too-old"
    title = "This form was left unfinished for too long to go on with"
    remedy = "What was saved before is kept, and its alerts stand. Start the questionnaire anew from the overview."
    http_status = 409


class RiskAnswerNotSaved(AppError):
    """A risk answer came to a form that takes no more answers: not saved in it, but kept on an open alert (rule 4)."""

    code = "risk-answer-not-saved"
    title = "This form takes no more answers, and this answer calls for action in this visit"
    remedy = "The answer is kept on a risk alert. Open the alert from the overview now and act on it."
    http_status = 409
