"""What tests share: deployments, fake parts, waiting, files to read."""
