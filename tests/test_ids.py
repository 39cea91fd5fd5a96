import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnetite.ids import InfoHash, NodeId, PeerId

IDS = st.binary(min_size=20, max_size=20)


@pytest.mark.parametrize("kind", [NodeId, InfoHash])
@given(data=IDS)
def test_an_id_is_its_20_bytes(kind, data):
    identifier = kind.decode(data)
    assert type(identifier) is kind
    assert bytes(identifier) == data
    assert str(identifier) == f"{identifier}" == data.hex()


@pytest.mark.parametrize("kind", [NodeId.decode, InfoHash.decode, PeerId])
@pytest.mark.parametrize("length", [0, 19, 21, 40])
def test_other_lengths_are_refused(kind, length):
    with pytest.raises(ValueError):
        kind(bytes(length))


@given(IDS, IDS)
def test_distance_is_the_xor_of_the_bytes(a, b):
    assert NodeId.decode(a) ^ NodeId.decode(b) == int.from_bytes(bytes(x ^ y for x, y in zip(a, b, strict=True)), "big")


@given(IDS)
def test_a_peer_id_is_its_bytes(data):
    assert PeerId(data) == data
