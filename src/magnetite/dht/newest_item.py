"""Of the items that answers to `get` hold, the one to believe, and who has it (BEP 44). Pure."""

from __future__ import annotations

from dataclasses import replace

from magnetite.dht.items import Item, MutableItem, is_valid
from magnetite.dht.messages import Response
from magnetite.ids import NodeId


class NewestItem:
    """The valid item of `target` with the highest sequence number so far, beginning with the one already known.

    Invariant: `holders` have told that they store `item`, by sending it or, having been asked for higher ones only, by
    its sequence number.
    """

    def __init__(self, target: NodeId, salt: bytes = b"", known: Item | None = None) -> None:
        self.item = known
        self.holders: set[NodeId] = set()  # a lookup bounds their number
        self._target = target
        self._salt = salt

    @property
    def seq(self) -> int | None:
        """The sequence number of the item; None without one."""
        return self.item.seq if isinstance(self.item, MutableItem) else None

    def take_in(self, response: Response) -> None:
        """Consider what an answer holds; what is of another target, unsigned or outdated is not believed."""
        item = response.item
        if isinstance(item, MutableItem):
            item = replace(item, salt=self._salt)  # answers do not tell it
        if item is None:
            if response.seq is not None and response.seq == self.seq:
                self.holders.add(response.sender)
        elif item == self.item:
            self.holders.add(response.sender)
        elif self._is_newer(item) and item.target == self._target and is_valid(item):
            self.item, self.holders = item, {response.sender}

    def _is_newer(self, item: Item) -> bool:
        if isinstance(item, MutableItem) and isinstance(self.item, MutableItem):
            return item.seq > self.item.seq
        return self.item is None
