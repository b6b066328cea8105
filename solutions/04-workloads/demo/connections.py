"""Asks the Service 20 times over one connection, then 20 times over new ones; counts who answered."""

from http.client import HTTPConnection


def ask(connection):
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    return answer.getheader("x-pod")


one = HTTPConnection("orders", timeout=5)
print(len({ask(one) for _ in range(20)}), "of the Pods answered over one connection")
many = {ask(HTTPConnection("orders", timeout=5)) for _ in range(20)}
print(len(many), "of the Pods answered over 20 connections")
