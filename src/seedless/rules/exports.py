"""Claims rules for the exports of an account (nats-io/jwt v2.8.2, exports.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedless.findings import error
from seedless.rules.formats import cited
from seedless.rules.places import exports
from seedless.subject import SubjectIndex, has_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seedless.change import Context, Statement
    from seedless.claims import Account, Export
    from seedless.findings import Finding

_RESPONSES = frozenset({"", "Singleton", "Stream", "Chunked"})
_MOST_SAMPLING = 100


def c037_export_type_is_known(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """An export is a stream or a service.

    Without a type servers do not know in which direction messages go, and refuse the account.
    """
    for path, export in exports(statement.claims):
        if not export.type:
            yield error("C037", f"{path}.type", "does not state what is exported", "write stream or service")


# exports.go:153-202; the words are compared with their case, `singleton` is unknown.
def c038_service_response_is_known(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A service answers once (`Singleton`, the default), in parts (`Chunked`) or with a `Stream`.

    Upper and lower case count.
    """
    for path, export in exports(statement.claims):
        if export.type == "service" and export.response_type not in _RESPONSES:
            text = f"{cited(export.response_type)} is not a response type"
            yield error("C038", f"{path}.response_type", text, "write Singleton, Stream or Chunked")


def c039_stream_has_no_response(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """A stream has no response type.

    Nobody answers the messages of a stream.
    """
    for path, export in exports(statement.claims):
        if export.type == "stream" and export.response_type:
            yield error("C039", f"{path}.response_type", "only services have it", "leave it out")


def c040_only_service_exports_trace(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Only an export of a service may allow traces.

    Whether a stream may be traced is statement where it is imported.
    """
    for path, export in exports(statement.claims):
        if export.type == "stream" and export.allow_trace:
            yield error("C040", f"{path}.allow_trace", "only exports of services have it", "leave it out")


def c041_only_services_measure_latency(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Only a service measures latency.

    It is the time between request and answer.
    """
    for path, export in exports(statement.claims):
        if export.service_latency and export.type != "service":
            yield error("C041", f"{path}.service_latency", "only services have it", "leave it out")


# exports.go:153-202. Sampling 0 is not *none* but *by the headers of the request*.
def c042_latency_sampling_is_a_percentage(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Latency is sampled for 1 to 100 percent of the requests, or when headers ask for it.

    The official library cannot write any other number.
    """
    for path, export in exports(statement.claims):
        sampling = export.service_latency.sampling if export.service_latency else "headers"
        if sampling != "headers" and not 0 <= sampling <= _MOST_SAMPLING:  # 0 is read as headers
            place = f"{path}.service_latency.sampling"
            yield error("C042", place, f"{sampling} is not a percentage", "write 1 to 100, or headers")


def c043_latency_results_have_one_subject(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Latency results are published to one subject, without wildcards.

    A message has one subject.
    """
    for path, export in exports(statement.claims):
        if export.service_latency and has_wildcard(export.service_latency.results):
            text = f"{cited(export.service_latency.results)} has a wildcard"
            yield error("C043", f"{path}.service_latency.results", text, "write one subject")


def c044_response_threshold_is_not_negative(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The time that a service may take between parts of its answer is not negative.

    It is in nanoseconds.
    """
    for path, export in exports(statement.claims):
        if export.response_threshold < 0:
            place = f"{path}.response_threshold"
            yield error("C044", place, f"{export.response_threshold} is negative", "write nanoseconds")


def c045_only_services_have_a_threshold(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """Only a service has a time in which it answers.

    A stream has no answers.
    """
    for path, export in exports(statement.claims):
        if export.response_threshold > 0 and export.type != "service":
            yield error("C045", f"{path}.response_threshold", "only services have it", "leave it out")


# exports.go:153-202. Positions count from 1.
def c046_token_position_needs_a_wildcard(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The place of the importing account in a subject is given only for subjects with wildcards.

    The account's key replaces a `*`.
    """
    for path, export, _tokens in _positions(statement):
        if not has_wildcard(export.subject):
            yield error("C046", path, f"{cited(export.subject)} has no wildcard", "leave the position out")


def c047_token_position_is_in_the_subject(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The place of the importing account is one of the tokens of the subject.

    They are counted from 1.
    """
    for path, export, tokens in _positions(statement):
        if has_wildcard(export.subject) and export.account_token_position > len(tokens):
            text = f"{cited(export.subject)} has {len(tokens)} tokens"
            yield error("C047", path, text, "count tokens from 1")


def c048_token_position_is_a_star(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """The token in the place of the importing account is `*`.

    Nothing else could become its key.
    """
    for path, export, tokens in _positions(statement):
        position = export.account_token_position
        if has_wildcard(export.subject) and position <= len(tokens) and tokens[position - 1] != "*":
            text = f"token {position} of {cited(export.subject)} is not *"
            yield error("C048", path, text, "give the number of a token that is *; the first one is 1")


# exports.go:248-295. The library walks a Go map, so its findings come in any order; tests compare them as
# multisets.
def c049_services_do_not_overlap(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """No exported service contains another.

    Revocations and activations of one would be circumvented through the other.
    """
    services = [(path, export) for path, export in exports(statement.claims) if export.type == "service"]
    for path, outer, inner in _containing(services):
        yield error("C049", path, f"{cited(outer)} contains {cited(inner)}, exported as well", "export one")


def c050_streams_do_not_overlap(statement: Statement[Account], _: Context) -> Iterator[Finding]:
    """No exported stream contains another.

    Revocations and activations of one would be circumvented through the other.
    """
    streams = [(path, export) for path, export in exports(statement.claims) if export.type != "service"]
    for path, outer, inner in _containing(streams):
        yield error("C050", path, f"{cited(outer)} contains {cited(inner)}, exported as well", "export one")


def _positions(statement: Statement[Account]) -> Iterator[tuple[str, Export, list[str]]]:
    """Yield the exports that state where the importing account is, and the tokens of their subjects."""
    for path, export in exports(statement.claims):
        if export.account_token_position:
            yield f"{path}.account_token_position", export, export.subject.split(".")


def _containing(pairs: Sequence[tuple[str, Export]]) -> Iterator[tuple[str, str, str]]:
    """Yield each subject that contains that of another export, once, with its path and the other subject."""
    index = SubjectIndex(export.subject for _, export in pairs)
    paths: dict[str, str] = {}
    for path, export in pairs:
        paths.setdefault(export.subject, path)
    contained: dict[str, str] = {}
    for path, inner in pairs:
        for outer in index.containing(inner.subject):
            if paths[outer] != path:
                contained.setdefault(outer, inner.subject)
    for outer, path in paths.items():
        if outer in contained:
            yield f"{path}.subject", outer, contained[outer]


RULES = (
    c037_export_type_is_known,
    c038_service_response_is_known,
    c039_stream_has_no_response,
    c040_only_service_exports_trace,
    c041_only_services_measure_latency,
    c042_latency_sampling_is_a_percentage,
    c043_latency_results_have_one_subject,
    c044_response_threshold_is_not_negative,
    c045_only_services_have_a_threshold,
    c046_token_position_needs_a_wildcard,
    c047_token_position_is_in_the_subject,
    c048_token_position_is_a_star,
    c049_services_do_not_overlap,
    c050_streams_do_not_overlap,
)
"""For the exports of accounts."""
