"""What a real log says of its platform, in numbers; and a scenario that simulates a platform like it."""
