from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from magnetite.swarm.availability import Availability
from magnetite.torrent.pieces import everything, indices

COUNT = 12
MASKS = st.integers(0, everything(COUNT))


class Counted(RuleBasedStateMachine):
    """Peers join, gain pieces and leave; a list of counters says what must be known."""

    def __init__(self) -> None:
        super().__init__()
        self.availability = Availability(everything(COUNT))
        self.peers: list[int] = []

    @property
    def counts(self) -> list[int]:
        return [sum(peer >> piece & 1 for peer in self.peers) for piece in range(COUNT)]

    @rule(pieces=MASKS)
    def join(self, pieces: int) -> None:
        self.availability.add(pieces)
        self.peers.append(pieces)

    @precondition(lambda self: self.peers)
    @rule(data=st.data(), pieces=MASKS)
    def gain(self, data, pieces: int) -> None:
        at = data.draw(st.integers(0, len(self.peers) - 1))
        self.availability.add(pieces & ~self.peers[at])
        self.peers[at] |= pieces

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def leave(self, data) -> None:
        self.availability.remove(self.peers.pop(data.draw(st.integers(0, len(self.peers) - 1))))

    @invariant()
    def levels_are_the_counters(self) -> None:
        counts = self.counts
        expected = [{p for p in range(COUNT) if counts[p] == n} for n in range(1, max(counts) + 1)]
        assert [set(indices(level)) for level in self.availability.rarest_first()] == [s for s in expected if s]

    @invariant()
    def copies_are_those_of_the_rarest_piece(self) -> None:
        assert self.availability.copies() == min(self.counts)

    @invariant()
    def rare_are_those_of_which_there_is_one_at_most(self) -> None:
        assert set(indices(self.availability.rare)) == {p for p in range(COUNT) if self.counts[p] <= 1}

    @invariant()
    def those_as_rare_as_a_piece_have_as_many_copies(self) -> None:
        counts = self.counts
        for piece in range(COUNT):
            assert set(indices(self.availability.as_rare_as(piece))) == {
                p for p in range(COUNT) if counts[p] == counts[piece]
            }

    @invariant()
    def there_are_no_more_levels_than_peers(self) -> None:
        assert len(self.availability._levels) <= len(self.peers) + 1


TestCounted = Counted.TestCase
TestCounted.settings = settings(max_examples=50, stateful_step_count=30)


@given(MASKS)
def test_what_comes_and_goes_leaves_no_trace(pieces):
    availability = Availability(everything(COUNT))
    availability.add(pieces)
    availability.remove(pieces)
    assert not list(availability.rarest_first())
