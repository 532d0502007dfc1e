"""Settings and remarks, in the order in which they came."""

from gemd.gemctl.foreign.original import Spot
from gemd.gemctl.foreign.outline import Outline, Table


def test_the_last_value_counts_where_the_first_one_was():
    table = Table()
    table.set("a", 1)
    table.propose("b", 2, "why")
    table.set("c", 3)
    table.set("a", 4, "note")
    assert table.values == {"a": 4, "c": 3}
    assert [(entry.key, entry.note) for entry in table.entries] == [("a", "note"), ("b", "why"), ("c", "")]
    assert (table.get("a"), table.get("b"), table.get("b", 5)) == (4, None, 5)


def test_remarks_of_all_tables():
    outline = Outline("Some", "some.conf")
    tables = [outline.top, outline.table("log"), outline.add_host().table]
    assert outline.table("log") is tables[1]
    outline.hosts[0].locations.append(Table())
    tables.append(outline.hosts[0].locations[0])
    for i, table in enumerate(tables, 1):
        table.remark(Spot("some.conf", i), "line", "reason")
    assert [remark.place.line for remark in outline.remarks] == [1, 2, 3, 4]
