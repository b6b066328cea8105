kubectl -n "$ns" delete service web
