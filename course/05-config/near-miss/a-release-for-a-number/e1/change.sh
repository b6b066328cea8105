# Runs when the rate changes; $rate is the new one, $ns the namespace.
python - <<END
import io
import docker

dockerfile = io.BytesIO(b"FROM pricing:1\nRUN echo $rate > /app/rate\n")
docker.from_env().images.build(fileobj=dockerfile, tag="pricing:tonight")
END
kubectl set image -n "$ns" deployment/pricing pricing=pricing:tonight
kubectl rollout status -n "$ns" deployment/pricing --timeout=50s
