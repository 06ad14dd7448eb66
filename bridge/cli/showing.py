"""The demonstration, and simulated stations for any central system."""

import asyncio
import ssl
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.text import Text

from bridge import logs
from bridge.cli.live import Screen
from bridge.cli.output import table
from bridge.cli.running import allow_many_sockets, run_async, stop_event
from bridge.simulator import BootReason, Counters, Simulator, Version

END = "End by itself after so many seconds, not only by Ctrl-C."
CONNECTORS = "Of each station; with OCPP 2.x that many EVSEs of one connector each."
CA = "PEM file: who has signed the central system's certificate. Without it: whom this machine trusts."
CERTIFICATE = "PEM file: the certificate to show. Its CN is the id of one station, such as SIM0001."
OUTAGES = "Cut each station's line about so often, for 10 s."
REPORT = 30.0  # s, between two lines about how it goes
COMPLAINTS = 10  # different ones are shown; the counters count all


def demo(
    stations: Annotated[int, typer.Option("--stations", metavar="N", min=1, max=1000, help="How many.")] = 3,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="S", min=0.0, help=END)] = None,
) -> None:
    """Show the bridge at work: simulated stations charge, and a table of their points, read back through OPC UA.

    Everything is temporary; the ports are free ones. Fails if nothing was charged.
    """
    logs.configure("error", "console")
    allow_many_sockets()
    if not run_async(_demo(stations, seconds)):
        typer.echo("nothing was charged", err=True)
        raise typer.Exit(1)


async def _demo(stations: int, seconds: float | None) -> bool:
    from bridge.demo import COLUMNS, Demo  # noqa: PLC0415 - asyncua is slow to import, and other commands do without

    stopped = stop_event()
    screen = Screen()

    def say(station: str, connector: str, status: str) -> None:
        screen.say(f"{time.strftime('%H:%M:%S')}  {station}  {connector}  {status}")

    with tempfile.TemporaryDirectory(prefix="ocpp-bridge-demo-") as folder:
        async with Demo(Path(folder), stations, say) as shown:
            typer.echo(f"stations connect to  {shown.ocpp_url}<station identity>")
            typer.echo(f"OPC UA clients to    {shown.endpoint} (without security; browse Objects/Stations)")
            await screen.watch(shown.run(), stopped, seconds, lambda: table(COLUMNS, shown.rows()))
    counts = f"{len(shown.charging)} transactions, {shown.stopped} of them have ended"
    typer.echo(f"{counts}; {shown.changes} changes of points came through OPC UA")
    return bool(shown.charging)


def simulate(
    url: Annotated[str, typer.Argument(metavar="URL", help="ws://host:port/path; the station's id is added.")],
    stations: Annotated[int, typer.Option("--stations", metavar="N", min=1, help="How many.")] = 1,
    connectors: Annotated[int, typer.Option("--connectors", metavar="N", min=1, help=CONNECTORS)] = 2,
    ocpp: Annotated[Version, typer.Option("--ocpp", help="The OCPP version.")] = "1.6",
    duration: Annotated[float | None, typer.Option("--duration", metavar="S", min=0.0, help=END)] = None,
    rate: Annotated[float, typer.Option("--rate", min=0.01, help="How many connect a second.")] = 100.0,
    speed: Annotated[float, typer.Option("--speed", min=0.01, help="How fast cars come and charge.")] = 1.0,
    prefix: Annotated[str, typer.Option("--prefix", help="What the stations' ids begin with.")] = "SIM",
    boot_reason: Annotated[BootReason, typer.Option("--boot-reason", help="Of the first boot (2.x).")] = "PowerUp",
    outages: Annotated[float | None, typer.Option("--outages", metavar="S", min=1.0, help=OUTAGES)] = None,
    password: Annotated[str | None, typer.Option("--password", help="Of each; the user is its id.")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", exists=True, help=CA)] = None,
    cert: Annotated[Path | None, typer.Option("--cert", exists=True, help=CERTIFICATE)] = None,
    key: Annotated[Path | None, typer.Option("--key", exists=True, help="The key of --cert.")] = None,
) -> None:
    """Let simulated stations charge at any central system; counts what happens.

    Fails if no station was accepted, or if a connection or a call failed.
    """
    if urlsplit(url).scheme not in ("ws", "wss"):
        raise typer.BadParameter("expected ws://host:port/path or wss://host:port/path", param_hint="URL")
    tls = _tls(ca, cert, key)
    logs.configure("error", "console")
    allow_many_sockets()
    news = _News(stations)
    simulator = Simulator(
        url,
        stations,
        connectors=connectors,
        prefix=prefix,
        speed=speed,
        connect_rate=rate,
        on_event=news.hear,
        ocpp=ocpp,
        boot_reason=boot_reason,
        outage_every=outages,
        password=password,
        tls=tls,
    )
    typer.echo(f"stations: {stations}, OCPP {ocpp}, connecting to {url} (Ctrl-C ends it)")
    run_async(_simulate(simulator, news, duration))
    if simulator.counters.errors or not simulator.counters.boots:
        raise typer.Exit(1)


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Whom the stations trust, and what they show; None: nothing was said of it."""
    if (certificate is None) != (key is None):
        raise typer.BadParameter("expected --cert and --key together", param_hint="--cert")
    if ca is None and certificate is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"the PEM files are of no use: {error}") from None
    return context


async def _simulate(simulator: Simulator, news: "_News", duration: float | None) -> None:
    stopped, screen = stop_event(), Screen()
    work = _run_and_report(simulator, news, screen)
    await screen.watch(work, stopped, duration, lambda: Text(_line(simulator.counters)))


async def _run_and_report(simulator: Simulator, news: "_News", screen: Screen) -> None:
    """Says now and then how it goes where nothing moves: in a pipe or a file."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(simulator.run())
        await news.all_accepted.wait()
        while True:
            screen.say(f"{time.strftime('%H:%M:%S')}  {_line(simulator.counters)}")
            await asyncio.sleep(REPORT)


def _line(counters: Counters) -> str:
    return "  ".join(f"{name} {number}" for name, number in asdict(counters).items())


class _News:
    """Hears what happens. Says each kind of failure once, and not too many of them: a thousand may fail alike."""

    def __init__(self, stations: int) -> None:
        self.all_accepted = asyncio.Event()
        self._stations = stations
        self._accepted: set[str] = set()
        self._said: set[str] = set()

    def hear(self, station: str, event: str, detail: str) -> None:
        if event == "error" and detail not in self._said and len(self._said) < COMPLAINTS:
            self._said.add(detail)
            typer.echo(f"{station}: {detail}", err=True)
        elif event == "boot" and detail == "Accepted":
            self._accepted.add(station)
            if len(self._accepted) == self._stations:
                typer.echo(f"{time.strftime('%H:%M:%S')}  all stations are accepted")
                self.all_accepted.set()
