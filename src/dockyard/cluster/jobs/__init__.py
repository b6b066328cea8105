"""What a Job is made of: its conditions, the indexes of its Pods, their failures, and their counting."""
