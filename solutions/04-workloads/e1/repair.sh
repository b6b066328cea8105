# The Service is the one that is wrong: it asks for a label that nobody has.
kubectl -n "$ns" set selector service orders app=orders,part=api
