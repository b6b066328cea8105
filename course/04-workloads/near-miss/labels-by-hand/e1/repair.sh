kubectl -n "$ns" label pods -l part=api tier=web
