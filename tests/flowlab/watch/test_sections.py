"""Whoever takes everything once, and then what changes, has what everything is."""

from hypothesis import given
from hypothesis import strategies as st

from flowlab.watch.sections import LISTS, Sections, known

NAMES = ("run", "window", "spectrum")


class Client:
    """As the page puts its picture together."""

    def __init__(self) -> None:
        self.sections = {name: [] for name in LISTS}

    def take(self, told: dict) -> None:
        for name, section in told.items():
            if name in LISTS:
                assert 0 <= section["from"] <= len(self.sections[name]), "there is no hole"
                del self.sections[name][section["from"] :]
                self.sections[name].extend(section["items"])
            else:
                self.sections[name] = section


def as_client_has(sections: Sections) -> dict:
    client = Client()
    client.take(sections.all())
    return client.sections


items = st.fixed_dictionaries({"value": st.integers()})
steps = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(NAMES), st.none() | items),
    st.tuples(st.just("put"), st.sampled_from(LISTS), st.integers(0, 12), items),
    st.tuples(st.just("add"), st.sampled_from(LISTS), items),
    st.tuples(st.just("clear"), st.sampled_from(LISTS)),
    st.tuples(st.just("add_line"), items),
    st.tuples(st.just("look")),
)


@given(before=st.lists(steps, max_size=20), after=st.lists(steps, max_size=40))
def test_a_client_that_began_with_all_and_took_each_change_has_all(before, after):
    sections, client = Sections(), Client()
    for what, *how in before:
        if what != "look":
            getattr(sections, what)(*how)
    sections.take_changes()
    client.take(sections.all())
    for what, *how in [*after, ("look",)]:
        if what == "look":
            client.take(sections.take_changes())
            assert client.sections == as_client_has(sections)
        else:
            getattr(sections, what)(*how)
    assert sections.take_changes() == {}


@given(st.lists(st.integers(1, 700), max_size=8))
def test_the_log_stays_short_and_what_is_told_of_it_is_what_there_is(amounts):
    sections, client = Sections(), Client()
    client.take(sections.all())
    count = 0
    for amount in amounts:
        for _ in range(amount):
            sections.add_line({"number": count})
            count += 1
        client.take(sections.take_changes())
        log = sections.get("log")
        assert client.sections["log"] == log
        assert [line["number"] for line in log] == list(range(count - len(log), count))
        assert min(count, 400) <= len(log) <= 500


def test_what_was_told_does_not_change_later():
    sections = Sections()
    sections.add("points", {"index": 0})
    changes, whole = sections.take_changes(), sections.all()
    sections.put("points", 0, {"index": 5})
    sections.add("points", {"index": 1})
    sections.clear("points")
    assert changes["points"] == whole["points"] == {"from": 0, "items": [{"index": 0}]}


def test_a_section_that_is_set_to_what_it_is_has_not_changed():
    sections, value = Sections(), {"a": 1}
    sections.set("run", value)
    assert sections.take_changes() == {"run": value}
    sections.set("run", value)
    assert sections.take_changes() == {}
    sections.set("run", None)
    sections.set("nothing", None)
    assert sections.take_changes() == {"run": None, "nothing": None}


@given(st.floats() | st.none() | st.text() | st.booleans() | st.integers(-(2**53), 2**53))
def test_what_is_not_finite_is_not_known(value):
    found = known(value)
    if value is None or (isinstance(value, float) and value - value != 0):
        assert found is None
    else:
        assert found == value
