kubectl -n "$ns" delete pods -l app=web
