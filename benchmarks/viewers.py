"""Viewers of the page that are no browsers: ``python -m benchmarks.viewers ws://…/api/v1/live 50``.

Says ``ready`` once each has a picture, and as JSON what they saw when its standard input ends.
"""

import asyncio
import json
import sys
import time

from websockets.asyncio.client import ClientConnection, connect


async def _look(url: str, seen: list[int], ready: asyncio.Event) -> None:
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps({"token": None}))
        await _read(socket, seen, ready)


async def _read(socket: ClientConnection, seen: list[int], ready: asyncio.Event) -> None:
    async for message in socket:
        seen.append(len(message))
        if len(seen) > 1:  # behind the greeting
            ready.set()


async def _main(url: str, count: int) -> None:
    seen: list[list[int]] = [[] for _ in range(count)]
    ready = [asyncio.Event() for _ in range(count)]
    tasks = [asyncio.create_task(_look(url, *each)) for each in zip(seen, ready, strict=True)]
    await asyncio.wait_for(asyncio.gather(*(each.wait() for each in ready)), 60)
    print("ready", flush=True)
    for each in seen:
        each.clear()
    begin = time.perf_counter()
    await asyncio.to_thread(sys.stdin.read)
    took = time.perf_counter() - begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    said = {
        "viewers": sum(len(each) > 0 for each in seen),
        "per_s": sum(map(len, seen)) / count / took,
        "kb_per_s": sum(map(sum, seen)) / count / took / 1e3,
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
