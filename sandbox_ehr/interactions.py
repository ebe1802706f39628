"""The FHIR interactions on one store session: what the persona offers, what the scopes allow, then the deed.

Source: http://hl7.org/fhir/R4/http.html. A refusal is raised; inside a writing session that undoes what was done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from sandbox_ehr.access import Grant, Right
from sandbox_ehr.errors import (
    BusinessRule,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    InvalidParameter,
    Malformed,
    MultipleMatches,
    NotFound,
    NotSupported,
    PreconditionFailed,
    UnknownParameter,
)
from sandbox_ehr.outcome import Issue, build_outcome
from sandbox_ehr.persona import Interaction, Persona
from sandbox_ehr.references import make_relative
from sandbox_ehr.search import RESULT_PARAMETERS, Include, Pairs, SearchQuery, Sql, parse_search
from sandbox_ehr.search_parameters import RESOURCE_TYPES, SEARCH_PARAMETERS
from sandbox_ehr.searchset import Page, build_etag, build_history, build_searchset
from sandbox_ehr.store_session import StoredResource, StoreSession, format_instant
from sandbox_ehr.validation import ReferenceAt, check_references, check_resource

PAGE_LIFETIME = timedelta(minutes=15)

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_HISTORY_PARAMETERS = {"_count", "_format", "_pretty"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an interaction gave.

    body: JSON text. stored: the version that the answer is about. written: it was made by this request.
    """

    status: int
    body: str = ""
    stored: StoredResource | None = None
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """One client's interactions in one session.

    save_page: keeps the rest of a search result, gives its token. unchecked: where a transaction collects the
    references
    that can only be checked at its end; None checks each at once. search_lag: how old a new resource must be to be
    found by a search.
    """

    session: StoreSession
    persona: Persona
    grant: Grant
    fhir_base_url: str
    now: datetime
    save_page: Callable[[dict[str, Any]], str]
    unchecked: list[ReferenceAt] | None = field(default=None)
    search_lag: timedelta | None = None

    def check_offer(self, interaction: Interaction, resource_type: str, right: Right) -> None:
        """Raise NotFound, NotSupported or Forbidden where type, interaction or the right to it are not there at all."""
        if resource_type not in RESOURCE_TYPES:
            raise NotFound("This server does not have the resource type")
        if not self.persona.offers(interaction, resource_type):
            raise NotSupported(f"This server does not offer {interaction} on {resource_type}")
        self.grant.condition(right, resource_type)

    def read(self, resource_type: str, resource_id: str, *, if_none_match: str | None = None) -> Answer:
        """Read the current version; 304 where the client has it."""
        self.check_offer("read", resource_type, "r")
        stored = self._get(resource_type, resource_id)
        if stored.deleted:
            raise Gone(f"The {resource_type} was deleted")
        self.grant.check(self.session, "r", stored)
        if if_none_match and build_etag(stored) in re.split(r"\s*,\s*", if_none_match):
            return Answer(status=304, stored=stored)
        return Answer(status=200, body=stored.body, stored=stored)

    def vread(self, resource_type: str, resource_id: str, version: str) -> Answer:
        """Read one version."""
        self.check_offer("vread", resource_type, "r")
        known = re.fullmatch(r"[1-9]\d{0,9}", version)
        stored = self._get(resource_type, resource_id, int(version)) if known else None
        if stored is None:
            raise NotFound(f"The {resource_type} has no such version")
        self.grant.check(self.session, "r", stored)
        if stored.deleted:
            raise Gone(f"This version of the {resource_type} is its deletion")
        return Answer(status=200, body=stored.body, stored=stored)

    def create(
        self,
        resource: Mapping[str, Any],
        resource_type: str,
        *,
        if_none_exist: str | None = None,
        new_id: str | None = None,
    ) -> Answer:
        """Create under a new id (`new_id` if a transaction chose one), or find the match of a conditional create."""
        self.check_offer("create", resource_type, "c")
        if if_none_exist is not None and (match := self.find_existing(resource_type, if_none_exist)):
            return self.answer_existing(match)
        stored = self._save(resource, resource_type, new_id or str(uuid4()), "create")
        return Answer(status=201, body=stored.body, stored=stored, written=True)

    def answer_existing(self, match: StoredResource) -> Answer:
        """Answer a conditional create that had a match; its content is shown only to those who may read it."""
        try:
            self.grant.check(self.session, "r", match)
        except Forbidden:
            return Answer(status=200, stored=match)
        return Answer(status=200, body=match.body, stored=match)

    def find_existing(self, resource_type: str, if_none_exist: str) -> StoredResource | None:
        """Give the one match of a conditional create, or None; None too where the persona has no conditional create.

        Raises: MultipleMatches; InvalidParameter for criteria that say nothing.
        """
        if not self.persona.conditional_create:
            return None
        pairs = parse_qsl(if_none_exist.partition("?")[2] or if_none_exist, keep_blank_values=True)
        query = parse_search(resource_type, pairs, now=self.now)
        if not query.criteria or any(name.partition(":")[0] in RESULT_PARAMETERS for name, _ in pairs):
            raise InvalidParameter("If-None-Exist holds no search criteria, or parameters that are none")
        keys = self.session.search(query)
        if len(keys) > 1:
            raise MultipleMatches("If-None-Exist matches more than one resource")
        return self.session.fetch(keys)[0] if keys else None

    def update(
        self, resource: Mapping[str, Any], resource_type: str, resource_id: str, *, if_match: str | None = None
    ) -> Answer:
        """Add a version, or create under the client's own id."""
        current = self.session.find(resource_type, resource_id)
        exists = current is not None and not current.deleted
        self.check_offer("update", resource_type, "u" if exists else "c")
        if not _ID.fullmatch(resource_id) or resource.get("id") != resource_id:
            raise Malformed("The id of the resource is not that of the address", expression=f"{resource_type}.id")
        if not exists and not self.persona.update_creates:
            raise NotFound(f"There is no such {resource_type}")
        if if_match is None and self.persona.update_needs_if_match:
            raise PreconditionFailed("If-Match is missing")
        if if_match is not None and (current is None or if_match.strip() != build_etag(current)):
            self._refuse_stale()
        if current is not None and exists:
            self.grant.check(self.session, "u", current)
        stored = self._save(resource, resource_type, resource_id, "update" if exists else "create", put=True)
        return Answer(status=200 if exists else 201, body=stored.body, stored=stored, written=True)

    def delete(self, resource_type: str, resource_id: str, *, if_match: str | None = None) -> Answer:
        """Delete, unless another resource refers to it; again is no error."""
        self.check_offer("delete", resource_type, "d")
        current = self._get(resource_type, resource_id)
        self.grant.check(self.session, "d", current)
        if current.deleted:
            return Answer(status=204, stored=current)
        if if_match is not None and if_match.strip() != build_etag(current):
            self._refuse_stale()
        if referrers := self.session.referrers(current):
            raise Conflict(f"Other resources refer to it: {', '.join(referrers[:5])}")
        return Answer(status=204, stored=self.session.delete(current), written=True)

    def search(self, resource_type: str, pairs: Pairs, *, lenient: bool = False) -> Answer:
        """Search one type; the first page is answered, the others wait under a token."""
        self.check_offer("search-type", resource_type, "s")
        lenient = lenient or self.persona.unknown_parameters == "ignore"
        foreign = self._check_parameters(resource_type, pairs, lenient=lenient)
        known = [pair for pair in pairs if pair[0].partition(":")[0] not in foreign]
        query = parse_search(resource_type, known, now=self.now, lenient=lenient)
        keys = self.session.search(query, condition=self._found(self.grant.condition("s", resource_type)))
        url = f"{self.fhir_base_url}/{resource_type}?{urlencode(pairs)}".rstrip("?")
        if query.count_only:
            body = build_searchset(Page(total=len(keys), self_url=url), (), (), self.fhir_base_url)
            return Answer(status=200, body=body)
        count = min(query.count or self.persona.page_size, self.persona.largest_page)
        matches = keys[:count]
        extra = self._included(matches, query)
        token = None
        if len(keys) > count:
            token = self._keep("searchset", keys, resource_type, pairs)
        ignored = [*sorted(foreign), *query.ignored]
        outcome = build_outcome([_ignored(name) for name in ignored]) if ignored else None
        page = Page(total=len(keys), self_url=url, count=count, next_token=token)
        found = self.session.fetch(matches)
        return Answer(
            status=200, body=build_searchset(page, found, self.session.fetch(extra), self.fhir_base_url, outcome)
        )

    def history(self, resource_type: str, resource_id: str | None, pairs: Pairs) -> Answer:
        """Give the versions of one resource or one type within reach, newest first."""
        right: Right = "s" if resource_id is None else "r"
        self.check_offer("history-type" if resource_id is None else "history-instance", resource_type, right)
        if unknown := {name for name, _ in pairs} - _HISTORY_PARAMETERS:
            raise InvalidParameter(f"history has no parameter {min(unknown)[:60]}")
        count = min(
            parse_search(resource_type, pairs, now=self.now).count or self.persona.page_size, self.persona.largest_page
        )
        if resource_id is not None:
            self._get(resource_type, resource_id)
        keys = self.session.history(resource_type, resource_id, condition=self.grant.condition(right, resource_type))
        if resource_id is not None and not keys:
            raise Forbidden(f"The granted scopes do not reach this {resource_type}")
        token = self._keep("history", keys, resource_type, ()) if len(keys) > count else None
        place = resource_type if resource_id is None else f"{resource_type}/{resource_id}"
        page = Page(total=len(keys), self_url=f"{self.fhir_base_url}/{place}/_history", count=count, next_token=token)
        return Answer(status=200, body=build_history(page, self.session.fetch(keys[:count]), self.fhir_base_url))

    def next_page(self, pairs: Pairs) -> Answer:
        """Answer a further page of a kept result, to the client that made it and for PAGE_LIFETIME."""
        given = dict(pairs)
        found = self.session.find_page(given["_getpages"])
        if found is None:
            raise NotFound("There is no such search result")
        created, content = found
        if self.now - created > PAGE_LIFETIME:
            raise Gone("The search result has expired")
        if content["holder"] != self.grant.holder:
            raise Forbidden("The search result belongs to another access token")
        numbers = [given.get("_getpagesoffset", "0"), given.get("_count", str(self.persona.page_size))]
        if not all(re.fullmatch(r"\d{1,9}", number) for number in numbers):
            raise InvalidParameter("_getpagesoffset and _count are whole numbers")
        offset, count = int(numbers[0]), max(1, min(int(numbers[1]), self.persona.largest_page))
        keys = content["keys"]
        token = given["_getpages"] if offset + count < len(keys) else None
        url = f"{self.fhir_base_url}?{urlencode(pairs)}"
        page = Page(total=len(keys), self_url=url, offset=offset, count=count, next_token=token)
        stored = self.session.fetch(keys[offset : offset + count])
        if content["kind"] == "history":
            return Answer(status=200, body=build_history(page, stored, self.fhir_base_url))
        query = parse_search(content["type"], [tuple(pair) for pair in content["includes"]], now=self.now)
        extra = self.session.fetch(self._included([row.key for row in stored], query))
        return Answer(status=200, body=build_searchset(page, stored, extra, self.fhir_base_url))

    def _check_parameters(self, resource_type: str, pairs: Pairs, *, lenient: bool) -> set[str]:
        """Give the parameters that this EHR does not have. Raises for one, unless lenient, and for one missing."""
        names = {name.partition(":")[0] for name, _ in pairs} & SEARCH_PARAMETERS[resource_type].keys()
        foreign = {name for name in names if not self.persona.has_parameter(resource_type, name)}
        if foreign and not lenient:
            raise UnknownParameter(f"{resource_type} has no search parameter {min(foreign)}")
        needed = self.persona.search_needs.get(resource_type)
        if needed and not names & needed:
            raise InvalidParameter(f"A search of {resource_type} needs one of {', '.join(sorted(needed))}")
        return foreign

    def _found(self, reach: Sql) -> Sql:
        """Add to the reach of the client that what is new is in the index already."""
        if self.search_lag is None:
            return reach
        indexed = format_instant(self.now - self.search_lag)
        return Sql(f"({reach.text}) AND NOT (v.version = 1 AND v.last_updated > ?)", (*reach.args, indexed))

    def _refuse_stale(self) -> NoReturn:
        text = "If-Match does not name the current version"
        raise Conflict(text) if self.persona.stale_version_status == 409 else PreconditionFailed(text)

    def _get(self, resource_type: str, resource_id: str, version: int | None = None) -> StoredResource:
        stored = self.session.find(resource_type, resource_id, version)
        if stored is None:
            raise NotFound(f"There is no such {resource_type}")
        return stored

    def _save(
        self, resource: Mapping[str, Any], resource_type: str, resource_id: str, kind: Interaction, *, put: bool = False
    ) -> StoredResource:
        if resource.get("resourceType") != resource_type:
            raise Malformed("The resourceType is not that of the address", expression="resourceType")
        received = make_relative(resource, self.fhir_base_url)
        check_resource(received)
        kept = self.persona.keep(received)
        references = check_resource(kept)
        if self.unchecked is None:
            check_references(self.session, references)
        else:
            self.unchecked.extend(references)
        stored = self.session.save(kept, method="PUT" if put else "POST", resource_id=resource_id)
        self.grant.check(self.session, "u" if kind == "update" else "c", stored)
        self._check_encounter(stored)
        if broken := self.persona.find_broken_rule(received, kind, user=self.grant.user):
            rule, issue = broken
            raise BusinessRule(issue, status=rule.status)
        return stored

    def _check_encounter(self, stored: StoredResource) -> None:
        """Raise Invalid where the resource is about one patient and its encounter about another."""
        patients = self.session.compartments_of(stored.type, stored.id)
        for encounter in self.session.targets(stored, "encounter"):
            others = self.session.compartments_of("Encounter", encounter)
            if patients and others and not patients & others:
                issue = Issue(
                    code="business-rule", text="The encounter is another patient's", expression=(stored.type,)
                )
                raise Invalid(issue.text, issues=[issue])

    def _keep(self, kind: str, keys: Sequence[int], resource_type: str, pairs: Pairs) -> str:
        includes = [pair for pair in pairs if pair[0] in {"_include", "_revinclude"}]
        return self.save_page(
            {"kind": kind, "keys": keys, "type": resource_type, "includes": includes, "holder": self.grant.holder}
        )

    def _included(self, keys: Sequence[int], query: SearchQuery) -> list[int]:
        extra: dict[int, None] = {}
        for include in query.includes:
            extra.update(dict.fromkeys(self._reachable(keys, include, reverse=False)))
        for include in query.revincludes:
            extra.update(dict.fromkeys(self._reachable(keys, include, reverse=True)))
        return [key for key in extra if key not in set(keys)]

    def _reachable(self, keys: Sequence[int], include: Include, *, reverse: bool) -> list[int]:
        targets = SEARCH_PARAMETERS[include.source][include.param].targets
        types = (include.source,) if reverse else (include.target,) if include.target else targets
        alternatives = []
        for resource_type in types:
            try:
                condition = self.grant.condition("r", resource_type)
            except Forbidden:  # a client gets of the included what it may read, and no error for the rest
                continue
            alternatives.append(Sql(f"(v.type = ? AND ({condition.text}))", (resource_type, *condition.args)))
        if not alternatives:
            return []
        condition = Sql(
            " OR ".join(alternative.text for alternative in alternatives),
            tuple(arg for alternative in alternatives for arg in alternative.args),
        )
        return self.session.included(keys, include, reverse=reverse, condition=condition)


def _ignored(name: str) -> Issue:
    return Issue(code="not-supported", severity="warning", text=f"Search parameter {name[:60]} was ignored")
