"""Browse and BrowseNext (OPC 10000-4 §5.9.2, §5.9.3): as many references as a client takes, the rest later."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from weakref import WeakKeyDictionary

from asyncua import ua
from asyncua.common.utils import ServiceError

from bridge.opcua import encoding
from bridge.opcua.references import References, Wanted
from bridge.opcua.requests import Clock, Request, Sliced, Steps, in_slices, operations
from bridge.opcua.settings import Limits
from bridge.opcua.wire import Reader

_SMALLEST = 17  # bytes of a BrowseDescription
_FILTER = Struct("<?II")
_VIEW = Struct("<qI")  # Timestamp, ViewVersion
_POINT = b"\x03\x02\x00"  # a String NodeId of namespace 2
#: bytes of what follows the NodeId of a BrowseDescription, by the encoding of its ReferenceTypeId
_FILTER_SIZES = {0: 15, 1: 17, 2: 20}
AROUND = 64  # bytes of an answer at most that are no results
_TURN = 500  # references between two looks at the clock


@dataclass(slots=True)
class Continuation:
    """The references of a node that its client has not got yet.

    `ahead` are those that were taken out of `rest` already: where an answer fails, nothing is lost.
    """

    ahead: list[bytes]
    rest: Iterator[bytes]
    most: int


class Continuations(dict[bytes, Continuation]):
    """One session's continuation points (OPC 10000-4 §7.9)."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)

    def add(self, continuation: Continuation) -> bytes:
        name = next(self._numbers).to_bytes(8, "little")
        self[name] = continuation
        return name


class Browsing:
    """Browses every node. Continuation points end with their session."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._continuations: WeakKeyDictionary[object, Continuations] = WeakKeyDictionary()

    def browse(self, request: Request, limits: Limits) -> bytes | Sliced:
        body = request.body
        view = body.node_id()
        body.fields(_VIEW)
        most = body.uint32()
        count = operations(body, limits.max_nodes_per_browse, _SMALLEST)
        if not view.is_null():
            raise ServiceError(ua.StatusCodes.BadViewIdUnknown)
        most = min(most or limits.max_references_per_node, limits.max_references_per_node)
        kept = self._of(request.session)
        work = _Work(kept, limits, request.channel.largest)
        return in_slices(work.guarded(self._browsed(body, count, most, work)))

    def browse_next(self, request: Request, limits: Limits) -> bytes | Sliced:
        body = request.body
        release = body.boolean()
        names = [body.bytestring() or b"" for _ in range(operations(body, limits.max_nodes_per_browse, 4))]
        kept = self._of(request.session)
        found = [(name, kept.pop(name, None)) for name in names]
        if release:
            known = (_result("BadContinuationPointInvalid" if each is None else "Good") for _, each in found)
            return b"".join((encoding.count(len(found)), *known, encoding.count(0)))
        used = {name: each for name, each in found if each is not None}
        work = _Work(kept, limits, request.channel.largest, used)
        return in_slices(work.guarded(self._continued([each for _, each in found], work)))

    def _of(self, session: object) -> Continuations:
        return self._continuations.setdefault(session, Continuations())

    def _browsed(self, body: Reader, count: int, most: int, work: "_Work") -> Steps:
        filters = dict[bytes, Wanted | str]()
        for number in range(count):
            if number and work.clock.is_over():
                yield
            found, wanted = self._description(body, filters)
            if isinstance(wanted, str):
                work.add(_result(wanted))
            elif found is None:
                work.add(_result("BadNodeIdUnknown"))
            else:
                yield from work.take(found, most)
        return work.answer(count)

    def _continued(self, found: list[Continuation | None], work: "_Work") -> Steps:
        for continuation in found:
            if continuation is None:
                work.add(_result("BadContinuationPointInvalid"))
            else:
                yield from work.go_on(continuation)
        return work.answer(len(found))

    def _description(
        self, body: Reader, filters: dict[bytes, Wanted | str]
    ) -> tuple[Iterable[bytes] | None, Wanted | str]:
        """A BrowseDescription: the references that it asks for, None without such a node; and its filter."""
        data, position = body.data, body.position
        if data.startswith(_POINT, position) and position + 7 <= len(data):
            body.position = position + 3
            path = body.string() or ""
            wanted = self._filter(body, filters)
            return None if isinstance(wanted, str) else self._references.of_path(path, wanted), wanted
        node_id = body.node_id()
        wanted = self._filter(body, filters)
        return None if isinstance(wanted, str) else self._references.of(node_id, wanted), wanted

    def _filter(self, body: Reader, filters: dict[bytes, Wanted | str]) -> Wanted | str:
        """What follows the NodeId; most descriptions of a request have the same."""
        start = body.position
        kind = body.data[start + 4 : start + 5]
        raw = body.data[start : start + _FILTER_SIZES.get(kind[0], 0)] if kind else b""
        known = filters.get(raw)
        if known is not None:
            body.position = start + len(raw)
            return known
        direction, type_ = body.int32(), body.node_id()
        subtypes, classes, mask = body.fields(_FILTER)
        wanted = self._references.wanted(direction, type_, subtypes, classes, mask)
        if raw:
            filters[raw] = wanted
        return wanted


class _Work:
    """The results of one request as they come together.

    `largest`: bytes of the longest message that the client takes. `used` are the continuation points that it gave.
    """

    def __init__(
        self, kept: Continuations, limits: Limits, largest: int, used: Mapping[bytes, Continuation] | None = None
    ) -> None:
        self._kept = kept
        self._most_kept = limits.max_continuation_points
        self._largest = largest - AROUND
        self._used = used or {}
        self.clock = Clock()
        self._results: list[bytes] = []
        self._size = 0
        self._names: list[bytes] = []

    def add(self, result: bytes) -> None:
        self._size += len(result)
        if self._size > self._largest:
            raise ServiceError(ua.StatusCodes.BadResponseTooLarge)
        self._results.append(result)

    def take(self, references: Iterable[bytes], most: int) -> Iterator[None]:
        """Adds what a client takes of a node's references, and keeps the rest for it."""
        if isinstance(references, list) and len(references) <= most:
            self.add(_result("Good", references))
            return
        yield from self.go_on(Continuation([], iter(references), most))

    def go_on(self, continuation: Continuation) -> Iterator[None]:
        """As `take`, with what is left of a node's references."""
        ahead, most = continuation.ahead, continuation.most
        while len(ahead) <= most:  # one more than the client takes: whether there is a rest
            some = list(itertools.islice(continuation.rest, min(_TURN, most + 1 - len(ahead))))
            ahead += some
            if not some:
                break
            if self.clock.is_over():
                yield
        self.add(self._first(continuation))

    def _first(self, continuation: Continuation) -> bytes:
        most = continuation.most
        found, ahead = continuation.ahead[:most], continuation.ahead[most:]
        if not ahead:
            return _result("Good", found)
        if len(self._kept) >= self._most_kept:
            return _result("BadNoContinuationPoints")
        name = self._kept.add(Continuation(ahead, continuation.rest, most))
        self._names.append(name)
        return _result("Good", found, name)

    def guarded(self, steps: Steps) -> Steps:
        """A request that fails, or is not even carried on with, leaves the continuation points as they were."""
        try:
            return (yield from steps)
        except BaseException:
            for name in self._names:  # the client will not hear of them
                self._kept.pop(name, None)
            for name, continuation in self._used.items():
                if len(self._kept) < self._most_kept:  # others may have come meanwhile
                    self._kept[name] = continuation
            raise

    def answer(self, count: int) -> bytes:
        return b"".join((encoding.count(count), *self._results, encoding.count(0)))


def _result(status: str, references: Sequence[bytes] = (), continuation: bytes | None = None) -> bytes:
    """A BrowseResult (OPC 10000-4 §7.6)."""
    code = encoding.GOOD if status == "Good" else encoding.status_code(status)
    return b"".join((code, encoding.bytestring(continuation), encoding.count(len(references)), *references))
