"""What a node has once, however many socket addresses it is present at. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from magnetite.dht.item_store import ItemStore
from magnetite.dht.limiter import AnswerLimiter
from magnetite.dht.own_ids import OwnIds
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.send_budget import SendBudget
from magnetite.dht.statistics import Counters
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Address
from magnetite.events import Emit
from magnetite.net.base import Network


@dataclass(frozen=True, slots=True)
class Commons:
    """Shared by all presences of a node (BEP 45, Shared Storage)."""

    network: Network
    routers: Sequence[Address]  # nodes to begin with
    read_only: bool | None  # None: until strangers have reached us (BEP 43)
    own_ids: OwnIds
    store: PeerStore
    items: ItemStore
    tokens: Tokens
    limiter: AnswerLimiter
    budget: SendBudget
    counters: Counters
    rng: random.Random
    emit: Emit
