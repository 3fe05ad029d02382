"""Whether versions are compatible: reports, and the instances that show that they are not."""
