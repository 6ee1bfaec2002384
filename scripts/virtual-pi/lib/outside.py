#!/usr/bin/env python3
"""The world outside an emulated machine.

    outside.py set DIRECTORY DEVICE PROPERTY VALUE   sets what a chip measures (an integer, in QEMU's unit: 1/1000 degree C)
    outside.py get DIRECTORY DEVICE PROPERTY
    outside.py level DIRECTORY LINE                  prints the level of one of the Pi's lines
    outside.py ports COUNT                           prints free ports of this machine

DIRECTORY is that of the running machine, with its sockets `qmp` and `qtest`.
"""
import json
import socket
import sys

# The pin controller of a Pi 3B, and its registers of levels. [BCM2835 ARM Peripherals, section 6.1]
PIN_CONTROLLER = 0x3F200000
LEVELS = 0x34
LIMIT_SECONDS = 20


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


def level(directory, line):
    """Reads the register that shows the levels of the lines, as they are on the wires."""
    stream = connect(f"{directory}/qtest")
    stream.write(f"readl {PIN_CONTROLLER + LEVELS + 4 * (line // 32):#x}\n")
    stream.flush()
    return int(stream.readline().split()[1], 16) >> (line % 32) & 1


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
            print(level(directory, int(line)))
        case ["ports", count]:
            print(*ports(int(count)))
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
