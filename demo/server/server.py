"""MLServer, less what the demo does not use (gRPC) and with a drain that it lacks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import traceback
from pathlib import Path

import uvicorn
from mlserver import MLServer, ModelSettings, Settings
from mlserver.rest import RESTServer
from mlserver.utils import install_uvloop_event_loop

# Gateways keep idle connections for up to an hour. A server that closes them sooner, as uvicorn does after 5 seconds,
# now and then closes one at the moment at which a request is sent into it: users would see failures of a good model.
CONNECTIONS = {"timeout_keep_alive": 3900}


class NoServer:
    """Stands where MLServer expects its gRPC server, which no setting turns off."""

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self, sig: int | None = None) -> None:
        """Nothing to stop."""


class BriefErrors(logging.Filter):
    """Turns a request's traceback, sixty lines of framework, into the one line that says where the model raised."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; keep it always."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
            record.msg, record.args = "request failed: %s: %s (%s)", (type(error).__name__, error, where)
            record.exc_info = None
        return True


class DrainingServer(MLServer):  # type: ignore[misc]
    """Serves on for a moment after SIGTERM, then ends running requests; a second signal cuts the moment short."""

    def __init__(self, settings: Settings, drain_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._draining: asyncio.Task[None] | None = None
        super().__init__(settings)

    def _add_signal_handlers(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(number))
        else:
            self._draining.cancel()

    async def _drain(self, number: int) -> None:
        logging.getLogger("mlserver").info("signal %d: serving for %g more seconds", number, self._drain_seconds)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(self._drain_seconds)
        await self.stop(number)

    def _create_servers(self) -> None:
        self._rest_server = RESTServer(self._settings, self._data_plane, self._model_repository_handlers)
        self._grpc_server = NoServer()
        self._kafka_server = None

    async def has_ready_model(self, name: str) -> bool:
        """Whether the model was loaded; false after a failed load too, which MLServer logs and then forgets."""
        return any(model.name == name and model.ready for model in await self._model_registry.get_models())


async def serve(settings_file: Path, model_file: Path, drain_seconds: float) -> bool:
    """Run until a signal or a failed load; returns whether the model had been loaded."""
    settings = Settings.parse_file(str(settings_file))
    model_settings = ModelSettings.parse_file(str(model_file))
    settings._custom_rest_server_settings = CONNECTIONS
    settings._custom_metrics_server_settings = CONNECTIONS
    server = DrainingServer(settings, drain_seconds)
    logging.getLogger("uvicorn.error").addFilter(BriefErrors())
    await server.start([model_settings])
    return await server.has_ready_model(model_settings.name)


def run(settings_file: Path, model_file: Path, drain_seconds: float) -> bool:
    """Prepare the process and serve."""
    # Recent uvicorn takes over SIGTERM in a way that MLServer's "no signals" subclass does not know: each server would
    # stop at once, without the drain.
    uvicorn.Server.capture_signals = lambda self: contextlib.nullcontext()  # type: ignore[method-assign]
    install_uvloop_event_loop()
    gc.freeze()
    gc.enable()
    return asyncio.run(serve(settings_file, model_file, drain_seconds))
