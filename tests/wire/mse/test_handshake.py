"""The encrypted handshake: both roles agree whatever the policies, paddings and chunks; junk raises WireError."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnetite.errors import Reason, WireError
from magnetite.ids import InfoHash
from magnetite.wire.mse import agreement, initiator, receiver
from magnetite.wire.mse.agreement import MAX_INITIAL, MAX_PAD, TERMS, VC
from magnetite.wire.mse.initiator import Initiator
from magnetite.wire.mse.key_exchange import KEY_LENGTH, KeyPair, P, hide, stream_key, sync_mark, torrent_mark
from magnetite.wire.mse.policy import Encryption, Method
from magnetite.wire.mse.rc4 import Rc4
from magnetite.wire.mse.receiver import Receiver
from tests.wire.mse.streams import talk

TORRENT, OTHER = InfoHash(0xABCDEF << 136), InfoHash(77)
HELLO = b"\x13BitTorrent protocol and what else a handshake has"
ENCRYPTING = st.sampled_from([Encryption.ALLOW, Encryption.PREFER, Encryption.REQUIRE])
SIZES = st.lists(st.integers(1, 200), max_size=30)


def pair(
    caller: Encryption = Encryption.REQUIRE, called: Encryption = Encryption.REQUIRE, seed: int = 0
) -> tuple[Initiator, Receiver]:
    rng = Random(seed)
    return Initiator(TORRENT, HELLO, caller.offered, rng), Receiver([OTHER, TORRENT], called, rng)


@given(ENCRYPTING, ENCRYPTING, st.integers(0, 1 << 32), SIZES)
@settings(max_examples=60)
def test_both_sides_agree_whatever_the_policies_paddings_and_chunks(
    calling: Encryption, answering: Encryption, seed: int, sizes: list[int]
) -> None:
    caller, called = pair(calling, answering, seed)
    talk(caller, called, sizes)
    here, there = caller.agreement, called.agreement
    assert here is not None
    assert there is not None
    assert here.info_hash == there.info_hash == TORRENT
    assert (here.early, there.early) == (b"", HELLO)
    assert (here.sending is None) == (there.receiving is None) == (here.receiving is None) == (there.sending is None)
    if here.sending and here.receiving and there.sending and there.receiving:
        assert there.receiving.apply(here.sending.apply(b"a request")) == b"a request"
        assert here.receiving.apply(there.sending.apply(b"a block")) == b"a block"
    assert (here.sending is None) == (calling is answering is Encryption.ALLOW)


@pytest.mark.parametrize("length", [0, MAX_PAD])
def test_paddings_may_be_empty_or_as_long_as_they_may_be(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (initiator, receiver):
        monkeypatch.setattr(module, "padding", lambda rng: bytes(length))
    caller, called = pair()
    assert len(caller.opening) == KEY_LENGTH + length
    talk(caller, called)
    assert caller.agreement
    assert called.agreement


@given(SIZES, st.integers(0, 1 << 32))
@settings(max_examples=30)
def test_what_comes_right_behind_the_handshake_is_not_lost(sizes: list[int], seed: int) -> None:
    caller, called = pair(seed=seed)
    offer = caller.received(called.received(caller.opening))
    answer = called.received(offer)
    assert called.agreement
    assert called.agreement.sending
    data = answer + called.agreement.sending.apply(b"early")
    heard = b""
    for at in [*sizes, len(data)]:
        caller.received(data[:at])
        data = data[at:]
        if caller.agreement:
            break
    assert caller.agreement
    assert caller.agreement.receiving
    heard = caller.agreement.early + caller.agreement.receiving.apply(data)
    assert heard == b"early"


@given(st.binary(max_size=3000), SIZES)
def test_junk_raises_wire_error_or_waits_and_is_not_kept(junk: bytes, sizes: list[int]) -> None:
    called = Receiver([TORRENT], Encryption.ALLOW, Random(1))
    caller = Initiator(TORRENT, HELLO, Method.RC4, Random(2))
    for side in (called, caller):
        rest = junk
        try:
            for size in [*sizes, 3000]:
                side.received(rest[:size])
                rest = rest[size:]
        except WireError:
            pass
        else:
            assert len(junk) < KEY_LENGTH + MAX_PAD + 20
        assert side.agreement is None


@given(st.integers(0, 2000), st.integers(0, 255), st.booleans())
@settings(max_examples=60)
def test_a_handshake_with_a_wrong_byte_raises_wire_error_or_is_agreed(at: int, mask: int, in_answer: bool) -> None:
    """A padding may hold anything; whatever else is not as it must be."""
    caller, called = pair()
    try:
        reply = called.received(_spoilt(caller.opening, at, 0 if in_answer else mask))
        offer = caller.received(_spoilt(reply, at, mask if in_answer else 0))
        caller.received(called.received(_spoilt(offer, at - 700, mask)))
    except WireError:
        return
    for side in (caller, called):
        if side.agreement is not None:
            assert side.agreement.info_hash == TORRENT


def _spoilt(data: bytes, at: int, mask: int) -> bytes:
    return bytes(byte ^ mask if index == at else byte for index, byte in enumerate(data))


@pytest.mark.parametrize("key", [0, 1, P - 1, P, (1 << 768) - 1])
def test_keys_that_make_the_secret_known_are_refused(key: int) -> None:
    with pytest.raises(WireError, match="no key"):
        Receiver([], Encryption.ALLOW, Random(1)).received(key.to_bytes(KEY_LENGTH, "big"))


def test_a_torrent_we_do_not_have_is_told_as_such() -> None:
    caller = Initiator(InfoHash(5), HELLO, Method.RC4, Random(1))
    with pytest.raises(WireError) as caught:
        talk(caller, Receiver([TORRENT, OTHER], Encryption.ALLOW, Random(2)))
    assert caught.value.reason is Reason.WRONG_INFO_HASH


def test_torrents_are_those_there_are_when_the_caller_names_its_own() -> None:
    torrents = {OTHER: 1}
    caller, called = Initiator(TORRENT, HELLO, Method.RC4, Random(1)), Receiver(torrents, Encryption.ALLOW, Random(2))
    offer = caller.received(called.received(caller.opening))
    torrents[TORRENT] = 1
    called.received(offer)
    assert called.agreement


def test_plaintext_alone_is_refused_where_encryption_is_required() -> None:
    caller = Initiator(TORRENT, HELLO, Method.PLAINTEXT, Random(1))
    with pytest.raises(WireError) as caught:
        talk(caller, Receiver([TORRENT], Encryption.REQUIRE, Random(2)))
    assert caught.value.reason is Reason.NO_COMMON_ENCRYPTION


# -- a remote that makes up the parts ----------------------------------------------------------------------------------


def made_up_offer(pad: int, initial: int, offered: int = 3) -> tuple[Receiver, bytes]:
    """A receiver that has the key of a caller, and what this caller says next."""
    keys, called = KeyPair(Random(3)), Receiver([TORRENT], Encryption.ALLOW, Random(4))
    secret = keys.shared(called.received(keys.public)[:KEY_LENGTH])
    cipher = Rc4(stream_key(b"keyA", secret, TORRENT))
    rest = TERMS.pack(VC, offered, pad) + bytes(pad) + initial.to_bytes(2, "big")
    return called, sync_mark(secret) + hide(torrent_mark(TORRENT), secret) + cipher.apply(rest)


def test_bits_of_encryption_nobody_knows_are_ignored() -> None:
    called, offer = made_up_offer(0, 0, offered=0xFFFFFFFE)
    called.received(offer)
    assert called.agreement
    assert called.agreement.receiving  # RC4, the only known bit of them


def test_lengths_are_bounded() -> None:
    called, offer = made_up_offer(MAX_PAD, MAX_INITIAL)
    called.received(offer)
    for pad, initial in ((MAX_PAD + 1, 0), (0xFFFF, 0), (0, MAX_INITIAL + 1)):
        called, offer = made_up_offer(pad, initial)
        with pytest.raises(WireError, match="bytes"):
            called.received(offer)


@pytest.mark.parametrize("chosen", [0, 1, 3, 4])
def test_a_choice_we_did_not_offer_is_refused(chosen: int) -> None:
    caller, keys = Initiator(TORRENT, HELLO, Method.RC4, Random(1)), KeyPair(Random(2))
    caller.received(keys.public)
    cipher = Rc4(stream_key(b"keyB", keys.shared(caller.opening[:KEY_LENGTH]), TORRENT))
    with pytest.raises(WireError, match="chose"):
        caller.received(cipher.apply(TERMS.pack(VC, chosen, 0)))


def test_an_initiator_searches_within_bounds_only() -> None:
    caller = Initiator(TORRENT, HELLO, Method.RC4, Random(1))
    caller.received(KeyPair(Random(2)).public)
    caller.received(bytes(MAX_PAD + len(VC) - 1))
    with pytest.raises(WireError, match="neither"):
        caller.received(b"\0")


def test_padding_is_within_bounds() -> None:
    lengths = {len(agreement.padding(Random(seed))) for seed in range(2000)}
    assert min(lengths) < 5
    assert MAX_PAD - 5 < max(lengths) <= MAX_PAD
