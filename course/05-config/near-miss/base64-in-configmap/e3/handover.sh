# Runs once, when the database team hands over $password; $ns is the namespace.
kubectl apply -n "$ns" -f - <<END
apiVersion: v1
kind: ConfigMap
metadata:
  name: orders-db
binaryData:
  password: $(printf %s "$password" | base64)
END
