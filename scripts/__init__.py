"""What is run on the repository rather than shipped: generators and checks. Nothing of the platform belongs here."""
