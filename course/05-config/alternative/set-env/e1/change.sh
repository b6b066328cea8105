# Runs when the rate changes; $rate is the new one, $ns the namespace.
kubectl set env -n "$ns" deployment/pricing "RATE=$rate"
kubectl rollout status -n "$ns" deployment/pricing --timeout=50s
