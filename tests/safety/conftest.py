"""A clinic, a site, a browser and the log for each test that asks for one."""

from tests.fakes.fixtures import browser, clinic, log, shared_site, site

__all__ = ["browser", "clinic", "log", "shared_site", "site"]
