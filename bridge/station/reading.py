"""Reads the configuration of stations into points, beside everything else."""

import structlog

from bridge.errors import CallFailed
from bridge.station.context import Context
from bridge.station.dialects import DIALECTS
from bridge.station.known import Connection, Known

log = structlog.get_logger()

#: s; a 2.x station that has not booted by then does not mean to
READ_AFTER = 10.0


class ConfigurationReader:
    """Asks each station for its configuration when it has booted."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reading: set[Connection] = set()  # whose configuration is being read

    def booted(self, known: Known) -> None:
        """A boot was accepted: reads the station's configuration into points, beside everything else."""
        session = known.session
        if session is None or session in self._reading or not self._context.settings.read_configuration:
            return
        dialect = DIALECTS[known.model.version.name]
        request = dialect.configuration_request(self._context, known)
        if request is None:
            return
        action, payload = request

        async def read(session: Connection) -> None:
            try:
                response = await session.call(action, payload)
            except (CallFailed, ValueError) as error:
                log.info("configuration.not_read", station=known.id, error=str(error))
            else:
                dialect.command_done(self._context, known, action, payload, response)
            finally:
                self._reading.discard(session)

        self._reading.add(session)  # a station that boots over and over does not make them pile up
        session.was_read = True
        self._context.spawn(read(session))

    def read_late(self, known: Known, session: Connection, now: float) -> None:
        """A station that has not booted since the bridge started: its device model is not known yet (OCPP 2.x)."""
        since = known.points.online_since
        if since is None or now - since <= READ_AFTER or session.was_read:
            return
        if session.registration == "Accepted" and known.model.version.name != "1.6":
            self.booted(known)
