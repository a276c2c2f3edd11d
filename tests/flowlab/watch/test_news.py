"""What is written into the log, and how loud."""

import pytest

from flowlab.watch.news import News
from flowlab.watch.sections import Sections


@pytest.fixture
def sections():
    return Sections()


@pytest.fixture
def news(sections):
    return News(sections, now_s=lambda: 77.0)


def lines(sections):
    return [(line["level"], line["text"]) for line in sections.get("log")]


def test_a_run_is_told_by_its_name_when_it_begins_and_when_it_ends(news, sections):
    news.run_began({"uid": "abcdefgh-1", "plan_name": "scan", "num_points": 42, "time": 5.0})
    news.run_ended({"run_start": "abcdefgh-1", "exit_status": "success", "time": 6.0})
    assert lines(sections) == [("info", "scan begins: 42 points; run abcdefgh"), ("info", "scan ended well")]
    assert [line["time"] for line in sections.get("log")] == [5.0, 6.0]


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        ("abort", "ended from outside", "run nobody was aborted: ended from outside"),
        ("fail", "", "run nobody failed"),
        ("odd", "", "run nobody ended: odd"),
    ],
)
def test_an_end_that_is_none_is_a_warning(news, sections, status, reason, text):
    news.run_ended({"run_start": "nobody", "exit_status": status, "reason": reason, "time": 0.0})
    assert lines(sections) == [("warning", text)]


def test_a_run_that_goes_on_with_another_says_so(news, sections):
    news.run_began({"uid": "b" * 9, "plan_name": "scan", "resumes": "a" * 36, "time": 0.0})
    assert lines(sections) == [("info", f"scan begins, goes on with run {'a' * 8}; run {'b' * 8}")]


def test_names_of_runs_long_past_are_forgotten(news):
    for number in range(1000):
        news.run_began({"uid": f"{number:08}", "time": 0.0})
    assert len(news._names) < 50


def test_that_a_plan_is_ending_is_told_once(news, sections):
    began = {"facts": {"state": "running", "ending": None}, "lost": None}
    ends, failed = (
        {"facts": {"state": "running", "ending": {"how": how, "why": why, "since": 1.0}}, "lost": None}
        for how, why in (("abort", "asked for by anna"), (None, "cadmium_pump: has\nstalled"))
    )
    for before, now in ((began, ends), (ends, ends), (began, failed)):
        news.status(before, now)
    told = ["ending: abort, asked for by anna", "ending: cadmium_pump: has stalled"]
    assert lines(sections) == [("notice", text) for text in told]


def test_the_daemons_state_is_told_when_it_changes(news, sections):
    def facts(**said):
        return {"facts": said, "lost": None}

    before = None
    for now in (facts(state="idle"), facts(state="idle", queue=1), facts(state="running"), facts(state="no such")):
        news.status(before, now)
        before = now
    assert lines(sections) == [("info", "idle"), ("info", "running")]
    assert sections.get("log")[0]["time"] == 77.0


def test_what_is_not_safe_is_an_alarm(news, sections):
    now = {"facts": {"state": "unsafe", "safe": False, "why": "heater\ndoes not answer"}, "lost": None}
    news.status({"facts": {"state": "running"}, "lost": None}, now)
    news.status(now, now)
    assert lines(sections) == [("alarm", "the instrument is NOT SAFE"), ("alarm", "heater does not answer")]


def test_a_daemon_that_is_gone_is_told_once_and_so_is_that_it_is_back(news, sections):
    here = {"facts": {"state": "idle"}, "lost": None}
    gone, still = {"facts": None, "lost": "nobody there"}, {"facts": None, "lost": "no answer"}
    for before, now in ((None, here), (here, gone), (gone, still), (still, here)):
        news.status(before, now)
    assert lines(sections) == [
        ("info", "idle"),
        ("alarm", "the daemon does not answer: nobody there"),
        ("notice", "the daemon answers again"),
        ("info", "idle"),
    ]


def test_an_interlock_is_told_when_it_trips_and_not_each_second(news, sections):
    def readings(**tripped):
        return {"interlocks": [{"name": name, "action": name, "tripped": why} for name, why in tripped.items()]}

    seen = [
        None,
        readings(safe=None, stop=None),
        readings(safe="too hot", stop="low"),
        readings(safe="too hot", stop="low"),
    ]
    for before, now in zip([None, *seen], [*seen, None], strict=True):
        news.readings(before, now)
    assert lines(sections) == [("alarm", "interlock safe: too hot"), ("warning", "interlock stop: low")]


def test_what_is_latched_is_told_once_and_that_it_was_acknowledged(news, sections):
    def facts(latched):
        return {"facts": {"latched": latched}, "lost": None}

    flood, fire = {"name": "flood", "reason": "it leaks"}, {"name": "fire", "reason": "it burns"}
    before = None
    for now in (facts([]), facts([flood]), facts([flood, fire]), facts(None), facts([fire]), facts([])):
        news.status(before, now)
        before = now if now["facts"]["latched"] is not None else before
    blocked = "is latched, and no plan begins until it is acknowledged"
    assert lines(sections) == [
        ("alarm", f"interlock flood {blocked}: it leaks"),
        ("alarm", f"interlock fire {blocked}: it burns"),
        ("notice", "interlock flood was acknowledged"),
        ("notice", "interlock fire was acknowledged"),
    ]


def test_the_window_is_told_when_it_is_another(news, sections):
    for why, final in (("clusters", False), ("clusters", False), ("none", False), ("none", True)):
        news.window({"why": why, "final": final}, 5.0)
    assert lines(sections) == [("notice", "clusters so far"), ("notice", "none so far"), ("notice", "none")]


def test_points_that_cannot_be_used_are_warnings(news, sections):
    news.point({"index": 0, "usable": True, "verdict": "crystals", "time": 1.0})
    news.point({"index": 1, "usable": False, "why": "no light", "time": 2.0})
    news.saxs_point({"point": 2.0, "usable": True, "finding": "spheres"}, 5.0)
    news.saxs_point({"point": None, "usable": False, "finding": "nothing"}, 5.0)
    news.analysis_failed({"exit_status": "fail", "reason": "", "time": 3.0})
    assert lines(sections) == [
        ("info", "point 1: crystals"),
        ("warning", "point 2 cannot be used: no light"),
        ("info", "SAXS, point 3: spheres"),
        ("warning", "SAXS, point 1: nothing"),
        ("warning", "the analysis ended early: fail"),
    ]


def test_a_line_is_one_line_and_not_endless(news, sections):
    news.say("info", "a\n\tb" * 1000)
    (line,) = sections.get("log")
    assert line["text"].startswith("a ba b")
    assert len(line["text"]) == 1000
