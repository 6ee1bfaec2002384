#!/usr/bin/env python3
"""The world outside an emulated machine.

    outside.py set DIRECTORY DEVICE PROPERTY VALUE   sets what a chip measures (an integer, in QEMU's unit: 1/1000 degree C)
    outside.py get DIRECTORY DEVICE PROPERTY
    outside.py level DIRECTORY LINE                  prints the level of one of the Pi's lines
    outside.py watch DIRECTORY LINE FILE             writes each of its levels there, with the milliseconds, until
                                                     there is FILE.stop
    outside.py drive DIRECTORY LINE LEVEL            drives one of its inputs
    outside.py ports COUNT                           prints free ports of this machine
    outside.py write PORT USER PASSWORD FILE         publishes over MQTT until the connection breaks, QoS 1, and appends to
                                                     the file what was acknowledged
    outside.py ready PROGRAM DIRECTORY               starts a gateway of this machine with an empty directory; prints the
                                                     milliseconds until it said that it is ready, and its memory in KiB

DIRECTORY is that of the running machine, with its sockets `qmp` and `qtest`.
"""
import contextlib
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import time

# The pin controller of a Pi 3B, and its registers of levels. [BCM2835 ARM Peripherals, section 6.1]
PIN_CONTROLLER = 0x3F200000
SET, CLEAR, LEVELS = 0x1C, 0x28, 0x34
LIMIT_SECONDS = 20
# How often a line is looked at while it is watched.
WATCH_EVERY = 0.02
# How many messages may wait for their acknowledgement.
WINDOW = 16
# How many topics the retained messages go round.
TOPICS = 8


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(LIMIT_SECONDS)
    connection.connect(path)
    return connection.makefile("rw")


def qmp(directory, command, **arguments):
    """Asks QEMU's control socket, passing over the events between the answers."""
    stream = connect(f"{directory}/qmp")
    stream.readline()
    answer = {}
    for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
        stream.write(json.dumps(request) + "\n")
        stream.flush()
        answer = {}
        while "return" not in answer and "error" not in answer:
            answer = json.loads(stream.readline())
    if "error" in answer:
        sys.exit(f"QEMU: {answer['error']['desc']}")
    return answer["return"]


def test_port(directory):
    """A function that reads or writes a register of the machine, from outside of it."""
    stream = connect(f"{directory}/qtest")

    def ask(words):
        stream.write(words + "\n")
        stream.flush()
        answer = stream.readline().split()
        if not answer or answer[0] != "OK":
            sys.exit(f"QEMU does not do {words}: {answer}")
        return answer[1:]

    return ask


def read_level(ask, line):
    """The register that shows the levels of the lines, as they are on the wires."""
    return int(ask(f"readl {PIN_CONTROLLER + LEVELS + 4 * (line // 32):#x}")[0], 16) >> (line % 32) & 1


def watch(directory, line, path):
    ask, last, begun = test_port(directory), None, time.monotonic()
    with open(path, "w", encoding="ascii", buffering=1) as file:
        while not os.path.exists(f"{path}.stop"):
            now = read_level(ask, line)
            if now != last:
                file.write(f"{now} {(time.monotonic() - begun) * 1000:.0f}\n")
                last = now
            time.sleep(WATCH_EVERY)


def drive(directory, line, level):
    """QEMU keeps one level for each line. The registers that set and clear it do so for an input as well, which they do not on
    a real chip: what the program inside reads there then is what somebody outside drives. QEMU makes no interrupt of it."""
    register = PIN_CONTROLLER + (SET if level else CLEAR) + 4 * (line // 32)
    test_port(directory)(f"writel {register:#x} {1 << (line % 32):#x}")


def text(words):
    """A string of MQTT."""
    encoded = words.encode()
    return struct.pack(">H", len(encoded)) + encoded


def packet(head, body):
    """A packet of MQTT with less than 128 bytes."""
    return bytes([head, len(body)]) + body


def write(port, user, password, path):
    """Odd numbers go to a topic for which a session waits; even ones are retained, each in its turn on one of a few topics."""
    # A clean session with a user name and a password, and no keep-alive.
    hello = text("MQTT") + b"\x04\xc2\x00\x00" + text("writer") + text(user) + text(password)
    with socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as broker, open(path, "a", encoding="ascii") as file:
        stream = broker.makefile("rb")
        broker.sendall(packet(0x10, hello))
        if stream.read(4) != b"\x20\x02\x00\x00":
            sys.exit("the broker refuses the writer")
        waiting = 0
        with contextlib.suppress(OSError, struct.error):
            for number in itertools.count(1):
                topic, head = ("cut/queue", 0x32) if number % 2 else (f"cut/kept/{number // 2 % TOPICS}", 0x33)
                broker.sendall(packet(head, text(topic) + struct.pack(">H", number) + str(number).encode()))
                waiting += 1
                while waiting == WINDOW:
                    _, acknowledged = struct.unpack(">HH", stream.read(4))
                    file.write(f"{acknowledged}\n")
                    file.flush()
                    waiting -= 1


def ready(program, directory):
    os.makedirs(directory)
    path = f"{directory}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(path)
        notifications.settimeout(LIMIT_SECONDS)
        begun = time.monotonic()
        with open(f"{directory}/log", "w+", encoding="utf-8") as log, subprocess.Popen(
            [program, "run", "--config", f"{directory}/gatehouse.toml", "--data-dir", f"{directory}/data"]
            + ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"],
            env={"NOTIFY_SOCKET": path},
            stdout=log,
            stderr=log,
        ) as gateway:
            try:
                while b"READY=1" not in notifications.recv(4096):
                    pass
            except TimeoutError:
                gateway.kill()
                log.seek(0)
                sys.exit(f"the gateway did not become ready:\n{log.read()}")
            took = time.monotonic() - begun
            with open(f"/proc/{gateway.pid}/status", encoding="ascii") as status:
                memory = next(line.split()[1] for line in status if line.startswith("VmRSS:"))
            gateway.terminate()
    print(f"{took * 1000:.0f} {memory}")


def ports(count):
    """Free ports: all are bound at once, so that none comes twice."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    return [each.getsockname()[1] for each in sockets]


def main(words):
    match words:
        case ["set", directory, device, name, value]:
            qmp(directory, "qom-set", path=f"/machine/peripheral/{device}", property=name, value=int(value))
        case ["get", directory, device, name]:
            print(qmp(directory, "qom-get", path=f"/machine/peripheral/{device}", property=name))
        case ["level", directory, line]:
            print(read_level(test_port(directory), int(line)))
        case ["watch", directory, line, path]:
            watch(directory, int(line), path)
        case ["drive", directory, line, to]:
            drive(directory, int(line), int(to))
        case ["write", port, user, password, path]:
            write(int(port), user, password, path)
        case ["ready", program, directory]:
            ready(program, directory)
        case ["ports", count]:
            print(*ports(int(count)))
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
