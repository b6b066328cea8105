kubectl -n "$ns" set selector service orders app=orders
