"""A real Kannel gateway for tests: bearerbox, smsbox and Kannel's fake network, on free ports."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults import processes

FAKE_SMSC = "/usr/lib/kannel/test/fakesmsc"
CONFIGURATION = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = adm
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
log-file = "{folder}/bearerbox.log"
log-level = 1
box-allow-ip = "127.0.0.1"
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = FAKE
port = {network}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = "{folder}/smsbox.log"
log-level = 1
http-request-retry = 3
http-queue-delay = 1

group = sendsms-user
username = u
password = p
max-messages = 10
concatenation = true

group = sms-service
keyword = default
post-url = "{inbound}?id=%I&from=%p&to=%P"
max-messages = 0
omit-empty = true
"""


@dataclass(frozen=True)
class Kannel:
    """A running Kannel gateway and its phones."""

    url: str
    network: int
    folder: Path

    def send_from_phones(self, *texts: str) -> None:
        """Send messages from phones into the gateway, in order; the format is "from to type body"."""
        for number, text in enumerate(texts):
            log = self.folder / f"phone{number}.log"
            with processes.run_program(_fake_smsc_command(self.network, "1", text), log, cwd=self.folder):
                processes.wait_for(lambda log=log: "sent message 1" in log.read_text(), 20)  # type: ignore[misc]
                time.sleep(0.3)

    def received_messages(self) -> list[str]:
        """Messages that reached phones, from the log of the fake network."""
        lines = (self.folder / "fakesmsc.log").read_text(errors="replace").splitlines()
        return [line.split("Got message ", 1)[1] for line in lines if "Got message " in line]


@contextmanager
def running(folder: Path, inbound: str = "http://127.0.0.1:9/", *, listening: bool = True) -> Iterator[Kannel]:
    """Run Kannel. If `listening` is true, connect a fake network that accepts every message."""
    bearerbox, smsbox = processes.find_program("bearerbox"), processes.find_program("smsbox")
    processes.find_program(FAKE_SMSC)
    admin, boxes, network, sendsms = (processes.free_port() for _ in range(4))
    configuration = folder / "kannel.conf"
    configuration.write_text(
        CONFIGURATION.format(admin=admin, boxes=boxes, network=network, sendsms=sendsms, folder=folder, inbound=inbound)
    )
    with ExitStack() as started:
        for command, port in ((bearerbox, network), (smsbox, sendsms)):
            log = folder / f"{Path(command).name}.out"
            started.enter_context(processes.run_program([command, str(configuration)], log, cwd=folder))
            processes.wait_for(lambda port=port: processes.is_listening(port), 30, log.read_text)  # type: ignore[misc]
        if listening:
            phones = _fake_smsc_command(network, "0", "1 2 text none")
            started.enter_context(processes.run_program(phones, folder / "fakesmsc.log", cwd=folder))
            time.sleep(0.5)
        yield Kannel(f"http://127.0.0.1:{sendsms}/cgi-bin/sendsms", network, folder)


def _fake_smsc_command(port: int, how_many: str, text: str) -> list[str]:
    """Command of Kannel's fake network. Only one network can be connected at a time."""
    return [FAKE_SMSC, "-H", "127.0.0.1", "-r", str(port), "-i", "0.1", "-m", how_many, text]
