kubectl -n "$ns" delete service orders
kubectl -n "$ns" apply -f - <<END
apiVersion: v1
kind: Service
metadata:
  name: orders
spec:
  selector:
    part: api
  ports:
    - port: 80
      targetPort: 8000
END
