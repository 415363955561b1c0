"""While a thread that gives way computes, the interpreter changes threads soon."""

from __future__ import annotations

import sys
import threading

from chat.process.giving_way import INTERVAL, giving_way


def test_the_interval_is_short_until_the_last_thread_has_ended() -> None:
    usual = sys.getswitchinterval()
    in_both, one_ended = threading.Barrier(2), threading.Event()
    seen: list[float] = []

    def work(is_last: bool) -> None:
        with giving_way():
            in_both.wait(5)
            if is_last:
                assert one_ended.wait(5)
                seen.append(sys.getswitchinterval())

    threads = [threading.Thread(target=work, args=(is_last,)) for is_last in (False, True)]
    for thread in threads:
        thread.start()
    threads[0].join(5)
    one_ended.set()
    threads[1].join(5)
    assert [round(each, 6) for each in seen] == [INTERVAL]
    assert sys.getswitchinterval() == usual


def test_an_interval_that_is_shorter_already_stays() -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(INTERVAL / 5)
    try:
        with giving_way():
            assert sys.getswitchinterval() < INTERVAL
    finally:
        sys.setswitchinterval(usual)
