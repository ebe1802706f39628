"""The note of a result: assembled, edited by the clinician, checked against the result."""
