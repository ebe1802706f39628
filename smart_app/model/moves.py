"""The two refusals every state machine of the app shares."""

from smart_app.errors import AppError


class IllegalMove(AppError):
    """The thing is not in a state from which this may be done; nothing was changed."""

    code = "illegal-move"
    title = "This can no longer be done"
    remedy = "Something has changed since the page was shown. Open the overview and look at its present state."
    http_status = 409


class MissingField(AppError):
    """A form lacks something that the move needs; ``field`` names it, never its content."""

    code = "missing-field"
    title = "Something is missing"
    remedy = "Fill in what the page marks, then send it again. What you typed is kept."
    http_status = 422
