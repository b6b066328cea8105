"""What the API server refuses in an object, in the order and the words of pkg/apis/*/validation."""
