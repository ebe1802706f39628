"""What the web layer itself refuses, in words for the page; everything else is refused by the use cases."""

from smart_app.errors import AppError


class CookieMissing(AppError):
    """A frame did not return the probe cookie: the launch would fail at the callback, so it does not begin."""

    code = "cookie-missing"
    title = "Your browser did not return our cookie"
    remedy = (
        "Or have IT allow partitioned cookies for this address in the EHR's browser, then open the app again from the "
        "chart."
    )
    http_status = 400


class CrossOrigin(AppError):
    """A form came from another site."""

    code = "cross-origin"
    title = "The form did not come from this app"
    remedy = "Open the app from the patient's chart and use its own pages."
    http_status = 403


class FormNotTrusted(AppError):
    """The CSRF token is missing or belongs to another launch."""

    code = "form-not-trusted"
    title = "This form cannot be accepted"
    remedy = "The page may be left over from an earlier launch. Open the app again from the patient's chart."
    http_status = 400


class PageNotFound(AppError):
    """There is no such page."""

    code = "page-not-found"
    title = "There is no such page"
    remedy = "Open the app from inside a patient's chart. A bookmark or a typed address does not work."
    http_status = 404


class WrongMethod(AppError):
    """The page exists, but not for this kind of request."""

    code = "wrong-method"
    title = "This page cannot be opened like that"
    remedy = "Go back to the patient's overview and choose again."
    http_status = 405


class BodyTooLarge(AppError):
    """More than the form limit."""

    code = "body-too-large"
    title = "What was sent is too large"
    remedy = "Shorten the text, then send it again."
    http_status = 413


class TooManyRequests(AppError):
    """One launch sends faster than a person can."""

    code = "too-many-requests"
    title = "Too many requests at once"
    remedy = "Wait a minute, then try again. What was saved is kept."
    http_status = 429


class MalformedRequest(AppError):
    """The request cannot be read."""

    code = "malformed-request"
    title = "The request cannot be read"
    remedy = "Go back to the patient's overview and try again."
    http_status = 400


class OurFault(AppError):
    """Something that we did not foresee."""

    code = "our-fault"
    title = "Something went wrong on our side"
    remedy = "Try again. If it happens again, give your IT department the code and the id below."
    http_status = 500


class SavedOnly(AppError):
    """An idle session saved its form and may show nothing else."""

    code = "launch-idle"
    title = "Your answers are saved"
    remedy = "The app was left alone for a while. Open it again from the patient's chart, and go on with the draft."
    http_status = 401


class SaveConflict(AppError):
    """Another page saved other answers in the meantime."""

    code = "save-conflict"
    title = "Some answers were changed on another device"
    remedy = "The form shows the answers that are saved. Compare them with yours below, and change what is wrong."
    http_status = 409


class NoteSavedFirst(AppError):
    """The sign form carried a note that differs from what was saved and displayed."""

    code = "note-saved-first"
    title = "Your changes to the note are saved; nothing is signed yet"
    remedy = "Look at the page as it is now, then sign."
    http_status = 409
