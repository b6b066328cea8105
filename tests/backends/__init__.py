"""Where the system under the learner comes from."""
