"""PersistentVolumes, their claims and classes: binding, provisioning and what the scheduler asks of them."""
