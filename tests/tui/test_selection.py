"""Cursor and marks belong to ids: rows that come, go and change places never move them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maestro_tui.selection import Selection

IDS = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10)


def selection(ids: str = "abcde", cursor: str | None = None) -> Selection:
    made = Selection()
    made.show(list(ids))
    if cursor:
        assert made.select(cursor)
    return made


def test_the_first_row_is_under_the_cursor_at_first() -> None:
    assert selection().cursor == "a"


def test_rows_that_come_above_leave_the_cursor_on_its_row() -> None:
    one = selection(cursor="c")
    one.show(list("xyabcde"))
    assert (one.cursor, one.index) == ("c", 4)


def test_when_its_row_goes_the_cursor_takes_the_one_below() -> None:
    one = selection(cursor="c")
    one.show(list("abde"))
    assert one.cursor == "d"


def test_when_the_last_row_goes_the_cursor_takes_the_new_last_one() -> None:
    one = selection(cursor="e")
    one.show(list("abcd"))
    assert one.cursor == "d"


def test_an_emptied_list_has_no_cursor_and_a_filled_one_has() -> None:
    one = selection()
    one.show([])
    assert one.cursor is None
    one.show(["z"])
    assert one.cursor == "z"


def test_marks_survive_a_filter_but_only_shown_ones_are_acted_on() -> None:
    one = selection()
    one.toggle(["b", "d"])
    one.show(list("ab"))
    assert one.chosen() == ["b"]
    one.show(list("abcde"))
    assert one.chosen() == ["b", "d"]


def test_without_marks_the_row_under_the_cursor_is_chosen() -> None:
    assert selection(cursor="c").chosen() == ["c"]


def test_a_range_is_what_lies_between_and_stays_as_marks() -> None:
    one = selection(cursor="b")
    one.start_range()
    one.move(2)
    assert one.chosen() == ["b", "c", "d"]
    one.start_range()
    one.to(0)
    assert one.chosen() == ["b", "c", "d"]


def test_marking_all_twice_unmarks_all() -> None:
    one = selection()
    one.toggle("abcde")
    one.toggle("abcde")
    assert one.marks == set()


def test_clearing_says_whether_there_was_anything() -> None:
    one = selection()
    assert not one.clear()
    one.toggle(["a"])
    assert one.clear()


@given(IDS, IDS, st.integers(0, 9))
def test_the_cursor_is_always_on_a_shown_row(before: list[str], after: list[str], at: int) -> None:
    one = Selection()
    one.show(before)
    one.to(at)
    kept = one.cursor
    one.show(after)
    assert (one.cursor in after) if after else one.cursor is None
    if kept in after:
        assert one.cursor == kept
