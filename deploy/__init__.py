"""What ships the service: images, their health checks, and the pages written from the code."""
