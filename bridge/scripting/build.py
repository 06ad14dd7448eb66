"""The runner of a configuration: its chains, where its scripts run, and the points that show them."""

from collections.abc import Callable, Mapping

from bridge.config import Config
from bridge.points.rows import Enumeration
from bridge.points.tree import Tree
from bridge.project import HANDLERS, Project, shipped
from bridge.scripting.chain import Chains
from bridge.scripting.points import HandlerPoints
from bridge.scripting.runner import Options, ScriptRunner
from bridge.scripting.serving import Service


def chains_of(config: Config) -> Chains:
    """Which scripts are asked about which station."""
    return Chains(
        config.handlers.scripts,
        {area.path: area.scripts for area in config.area if area.scripts},
        {station.id: station.scripts for station in config.station if station.scripts},
    )


def build_runner(
    project: Project,
    config: Config,
    tree: Tree,
    states: Enumeration,
    services: Mapping[str, Service],
    *,
    clock: Callable[[], float],
    on_failure: Callable[[str], None],
    replaced: Callable[[str], None],
) -> ScriptRunner:
    """`states` is the enumeration FileState; see Options for the rest."""
    handlers, chains = config.handlers, chains_of(config)
    points = HandlerPoints(tree, states, chains.names(), clock)
    options = Options(
        timeout=handlers.timeout,
        isolation=handlers.isolation,
        shipped=shipped() / HANDLERS,
        on_error=handlers.on_error,
        max_failures=handlers.max_failures,
        pause=handlers.pause,
        memory=handlers.memory,
        settings=handlers.settings,
        services=services,
        changed=points.show,
        passed_over=points.passed_over,
        on_failure=on_failure,
        replaced=replaced,
        clock=clock,
    )
    return ScriptRunner(chains, project.handlers, options)
