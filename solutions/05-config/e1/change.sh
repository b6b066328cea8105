# Runs when the rate changes; $rate is the new one, $ns the namespace.
kubectl patch configmap rates -n "$ns" -p "{\"data\": {\"RATE\": \"$rate\"}}"
kubectl rollout restart -n "$ns" deployment/pricing
kubectl rollout status -n "$ns" deployment/pricing --timeout=50s
