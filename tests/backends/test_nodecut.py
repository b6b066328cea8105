"""The cut on a node that is a real Linux router between a Pod and its client."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

# Run in a network and a mount namespace of its own: the node, with a Pod and a client behind it.
NODE = """
import subprocess, sys
from dockyard.backends.nodecut import cut_script, restore_script

def sh(text):
    subprocess.run(["sh", "-ec", text], check=True)

sh("mount -t tmpfs none /run && mkdir /run/netns")
for name, net in (("pod", "10.1.0"), ("client", "10.2.0")):
    sh(f"ip netns add {name}; ip link add v{name} type veth peer name eth0 netns {name}")
    sh(f"ip link set v{name} up; ip addr add {net}.1/24 dev v{name}; ip -n {name} link set eth0 up")
    sh(f"ip -n {name} addr add {net}.5/24 dev eth0; ip -n {name} route add default via {net}.1")
sh("echo 1 > /proc/sys/net/ipv4/ip_forward")
SERVER = '''
import socket
listening = socket.create_server(("", 5432))
print("ready", flush=True)
kept = [listening.accept()[0]]
while True:
    kept[0].sendall(kept[0].recv(9))
'''
CLIENT = '''
import socket, sys
kept = socket.create_connection(("10.1.0.5", 5432), timeout=10)
for line in sys.stdin:
    kept.settimeout(float(line))
    try:
        kept.sendall(b"x")
        said = "answered" if kept.recv(9) else "ended"
    except TimeoutError:
        said = "silence"
    try:
        socket.create_connection(("10.1.0.5", 5432), timeout=float(line)).close()
        print(said, "open", flush=True)
    except TimeoutError:
        print(said, "dropped", flush=True)
'''
def inside(name, program):
    argv = ["ip", "netns", "exec", name, sys.executable, "-c", program]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
server = inside("pod", SERVER)
server.stdout.readline()
client = inside("client", CLIENT)
def ask(seconds):
    client.stdin.write(f"{seconds}\\n")
    client.stdin.flush()
    print(client.stdout.readline().strip(), flush=True)
ask(20)
sh(cut_script("n", "app=db", ["10.1.0.5"]))
ask(0.5)
import socket
socket.create_connection(("10.1.0.5", 5432), timeout=20).close()
print("the node reaches it", flush=True)
sh(restore_script("n", "app=db"))
ask(20)
client.kill()
server.kill()
"""


def test_cut_silences_open_connections_and_new_ones_and_not_the_node() -> None:
    own = ["unshare", "--net", "--mount"]
    tools = [tool for tool in ("unshare", "ip", "iptables") if shutil.which(tool) is None]
    if tools or subprocess.run([*own, "iptables", "-S"], capture_output=True, check=False).returncode:
        pytest.skip(f"it takes root, iproute2, iptables and network namespaces; missing: {tools or 'rights'}")
    done = subprocess.run(
        [*own, sys.executable, "-c", NODE], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.stdout.splitlines() == [
        "answered open",
        "silence dropped",
        "the node reaches it",
        "answered open",
    ], done.stderr
