"""Offsets into dates: "so many days ago", seen from the start of the simulated EHR by the clinic's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedCalendar:
    """now: aware. utc_offset: hours of the clinic's clock from UTC, fixed all year (nobody here changes clocks)."""

    now: datetime
    utc_offset: int

    @property
    def today(self) -> date:
        """The clinic's date."""
        return self._local_now.date()

    @property
    def _local_now(self) -> datetime:
        return self.now.astimezone(timezone(timedelta(hours=self.utc_offset)))

    def day(self, days_ago: int) -> str:
        """Give a FHIR date."""
        return (self.today - timedelta(days=days_ago)).isoformat()

    def moment(self, days_ago: int, at: str) -> datetime:
        """Give a moment on an earlier day, at `HH:MM` by the clinic's clock."""
        day = self.today - timedelta(days=days_ago)
        return datetime.combine(day, time.fromisoformat(at), tzinfo=self._local_now.tzinfo)

    def minutes_ago(self, minutes: int) -> datetime:
        """Give a moment of the recent past."""
        return self._local_now - timedelta(minutes=minutes)

    def birth_date(self, age: int, birthday: str) -> str:
        """Give the FHIR date of birth of somebody who is `age` today; birthday: `MM-DD`, never 02-29."""
        turned = date.fromisoformat(f"{self.today.year}-{birthday}") <= self.today
        return f"{self.today.year - age - (0 if turned else 1)}-{birthday}"


def write_date_time(moment: datetime) -> str:
    """Write a FHIR dateTime to the second, with its offset."""
    return moment.isoformat(timespec="seconds")
