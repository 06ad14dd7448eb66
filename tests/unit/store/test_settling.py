"""Who waits for the disk goes on when it has answered, and not all at the same time."""

import asyncio
import threading
from itertools import pairwise

from bridge.store import writer


async def test_who_waited_for_one_commit_goes_on_a_few_in_each_turn_of_the_loop(store, monkeypatch):
    monkeypatch.setattr(writer, "SETTLED_AT_ONCE", 2)
    begun, held = threading.Event(), threading.Event()
    store._writer.submit(lambda db: (begun.set(), held.wait(30)))
    await asyncio.to_thread(begun.wait)  # what comes now is one commit
    waiting = [store._writer.submit(lambda db: None) for _ in range(7)]
    held.set()
    done = [0]
    async with asyncio.timeout(60):
        while done[-1] < len(waiting):
            await asyncio.sleep(0)
            done.append(sum(each.done() for each in waiting))
    assert max(after - before for before, after in pairwise(done)) <= 2


async def test_who_waited_for_an_earlier_commit_goes_on_before_those_of_a_later_one(monkeypatch):
    monkeypatch.setattr(writer, "SETTLED_AT_ONCE", 2)
    loop, order = asyncio.get_running_loop(), list[int]()
    settling, waiting = writer._Settling(), []
    for commit in (range(5), range(5, 10)):
        jobs = [writer._Job(lambda db: None, loop.create_future(), None) for _ in commit]
        for number, job in zip(commit, jobs, strict=True):
            job.future.add_done_callback(lambda _, number=number: order.append(number))
        settling.add(jobs)
        waiting += [job.future for job in jobs]
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)
    assert order == list(range(10))
