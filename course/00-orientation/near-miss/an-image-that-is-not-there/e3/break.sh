kubectl -n "$ns" set image deployment/web web=python:3.12-slom
