"""What signing refuses, in words for the page."""

from smart_app.errors import AppError


class ChangedSinceShown(AppError):
    """The sign form's hash is not that of what would be signed now."""

    code = "changed-since-shown"
    title = "Something has changed since this page was shown"
    remedy = "Nothing was signed. Look at the page as it is now, then sign."
    http_status = 409


class AlertStillOpen(AppError):
    """An alert of this screening is neither closed nor handed over (safety rule 4)."""

    code = "alert-still-open"
    title = "You cannot sign yet: a risk alert is open"
    remedy = "Close the alert, or hand it over to a named person. Nothing was signed."
    http_status = 409


class ChoiceMissing(AppError):
    """Nothing was chosen, or something that is not offered here (safety rule 13)."""

    code = "choice-missing"
    title = "Choose what happens with this result"
    remedy = "Choose whether it is written to the chart. Nothing was signed."
    http_status = 422


class PlanNotMet(AppError):
    """The resources made at signing are not those that the plan showed: a fault of ours, nothing was signed."""

    code = "plan-not-met"
    title = "What would be written is not what the plan shows"
    remedy = "Nothing was signed and nothing is lost. Tell the people who look after this app, with the number below."
    http_status = 500
