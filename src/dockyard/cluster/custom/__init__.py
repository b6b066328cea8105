"""Custom resources: what a CustomResourceDefinition makes of a schema, a few paths and some columns."""
