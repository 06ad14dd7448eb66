"""`make chaos`: python -m tests.chaos [--seed N] [--cycles N] [--jobs N]"""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="repeats a run")
    parser.add_argument("--cycles", type=int, default=200, help="how often the bridge is ended; default: 200")
    arguments = parser.parse_args()
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {arguments.seed}", flush=True)
    started = time.monotonic()
    world = World(folder / "site", arguments.seed, lambda line: print(line, flush=True))
    try:
        asyncio.run(world.run(arguments.cycles))
    except BaseException as error:
        tell(world, error, folder)
        raise
    shutil.rmtree(folder)
    print(f"seed {arguments.seed}: {arguments.cycles} cycles in {time.monotonic() - started:.0f} s")
    for what, count in sorted(world.counts.items()):
        print(f"  {count:8,} {what}")
    return 0


def tell(world: World, error: BaseException, folder: Path) -> None:
    """What is needed to find out why."""
    for station in world.stations:
        if f"{station.identity}:" in str(error) or f"{station.identity}." in str(error):
            print("\n".join(station.history))
    print("\n".join(world.program.logs))
    print(f"FAILED with seed {world.seed} in cycle {world.cycle}; the project is in {folder}\n{error}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
