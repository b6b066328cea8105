"""What a Deployment's controller knows of rollouts: revisions, sizes and progress."""
