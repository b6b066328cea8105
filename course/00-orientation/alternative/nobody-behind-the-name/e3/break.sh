kubectl -n "$ns" set selector service web app=nobody
