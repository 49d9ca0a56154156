"""The command `loa` in a process that signals tell whether it traces."""

import signal

from consumers.cli import main
from contracts.base import tracing

SWITCH_ON, SWITCH_OFF = signal.SIGUSR1, signal.SIGUSR2


def switch_by_signal() -> None:
    """Install what `loa` installs as its tracer, and then as signals say."""
    from consumers.runtime.otel import OtelTracer  # the bench itself needs no OpenTelemetry

    install = tracing.install

    def install_and_keep(tracer: tracing.Tracer | None) -> None:
        install(tracer)
        if isinstance(tracer, OtelTracer):
            signal.signal(SWITCH_ON, lambda *_: install(tracer))
            signal.signal(SWITCH_OFF, lambda *_: end(tracer))

    def end(tracer: OtelTracer) -> None:
        """End tracing, and send what waits for a full batch."""
        install(None)
        tracer.provider.force_flush()

    tracing.install = install_and_keep


if __name__ == "__main__":
    switch_by_signal()
    main()
