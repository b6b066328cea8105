# Runs when the rate changes; $rate is the new one, $ns the namespace.
kubectl patch configmap rates -n "$ns" -p "{\"data\": {\"rate\": \"$rate\"}}"
