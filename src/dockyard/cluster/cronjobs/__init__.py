"""What a CronJob is made of: the times at which it is due, and the Jobs that it has made."""
