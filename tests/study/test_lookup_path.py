from __future__ import annotations

from magnetite import study
from magnetite.dht.contact import K
from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId
from magnetite.study import World, plot
from magnetite.study.lookup_path import LookupPath


def test_a_lookups_path_has_whom_it_asked_how_near_they_were_and_whether_they_answered() -> None:
    async def searching(world: World) -> None:
        population = await world.dht(400, dead=0.3)
        [host] = world.hosts(1)
        async with world.node(host) as node:
            population.acquaint(node)
            target = NodeId(world.rng("targets").getrandbits(160))
            known = {contact.endpoint: int(contact.node_id) for contact in population.contacts.values()}
            path = LookupPath(Endpoint(host.ip, 6881), target, known)
            with world.fault(path.watch):
                found = await node.find_node(target)
        for row in path.rows:
            world.record(**row)
        nearest = 160 - (found[0].node_id ^ target).bit_length()
        assert max(row["bits"] for row in path.rows if row["answered"]) == nearest

    report = study.run(searching)
    assert sum(bool(row["answered"]) for row in report.rows) >= K
    assert any(not row["answered"] for row in report.rows)
    assert report.rows[0]["time"] == 0
    plot.lookup_path(report.frame()).draw_without_rendering()
