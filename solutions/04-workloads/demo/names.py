"""Prints what names mean in the Pod where this runs."""

import socket
import sys

namespace = sys.argv[1]
names = ["orders", f"orders.{namespace}", f"orders.{namespace}.svc.cluster.local", "each", "db", "db.data"]
for name in names:
    try:
        found = sorted({address[0] for *_, address in socket.getaddrinfo(name, None, socket.AF_INET)})
    except socket.gaierror as error:
        found = [str(error)]
    print(f"{name:40} {', '.join(found)}")
